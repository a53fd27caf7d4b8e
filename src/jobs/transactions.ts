import type { Database } from '../database/database.ts';
import { executionFinished } from '../telemetry/channels.ts';
import { beginWaiting } from './enqueue.ts';
import { lockJobs } from './lock.ts';
import type { Settling } from './settling.ts';
import { type Ended, Tally } from './tally.ts';

export interface Settled<T> {
  readonly value: T;
  /** Executions that are over by it. */
  readonly ended: readonly Ended[];
}

/** Runs `work` in a transaction that writes what it tallied, and publishes what happened once that is durable. */
export async function settle<T>(
  database: Database,
  now: () => number,
  work: (settling: Settling) => Promise<T>,
): Promise<Settled<T>> {
  const facts: (() => void)[] = [];
  const settled = await database.write(async (transaction) => {
    await lockJobs(transaction);
    const settling = { transaction, tally: new Tally(), now: now(), facts };
    const value = await work(settling);
    const ended = await settling.tally.write(transaction, settling.now);
    const more = await beginWaiting(transaction, ended, settling.now);
    return { value, ended: [...ended, ...more] };
  });
  for (const publish of facts) publish();
  for (const ended of settled.ended) tellEnd(ended);
  return settled;
}

export function tellEnd(ended: Ended): void {
  if (!executionFinished.hasSubscribers) return;
  const { id, kind, queue, trigger, status, tasks, failed, bytes, durationMs } = ended;
  executionFinished.publish({
    execution: id,
    kind,
    queue,
    trigger,
    status,
    tasks,
    failed,
    bytes,
    durationMs,
  });
}
