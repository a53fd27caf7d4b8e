import { type EventEmitter, once } from 'node:events';
import type { Database } from '../database/database.ts';
import { type Execution, findExecution } from './executions.ts';

interface Endings {
  readonly database: Database;
  /** Emits the id of each execution that this process ends. */
  readonly endings: EventEmitter;
  readonly pollMs: number;
}

/** @throws RangeError where there is no such execution */
export async function waitForEnd(
  { database, endings, pollMs }: Endings,
  id: number,
  signal: AbortSignal,
): Promise<Execution> {
  for (;;) {
    signal.throwIfAborted();
    const waiting = AbortSignal.any([signal, AbortSignal.timeout(pollMs)]);
    // Listens before it looks, so that nothing is missed between.
    const heard = once(endings, `${id}`, { signal: waiting }).catch(ignored);
    const execution = await findExecution(database.read, id);
    if (execution === undefined) throw new RangeError(`there is no execution ${id}`);
    if (execution.status !== 'waiting' && execution.status !== 'running') return execution;
    await heard;
  }
}

function ignored(): void {}
