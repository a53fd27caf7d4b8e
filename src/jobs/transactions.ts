import type { Database } from '../database/database.ts';
import { beginWaiting } from './enqueue.ts';
import type { Settling } from './settling.ts';
import { type Ended, Tally } from './tally.ts';

/** Runs `work` in a transaction that writes what it tallied. @returns the executions that are over by it, too */
export async function settle<T>(
  database: Database,
  now: () => number,
  work: (settling: Settling) => Promise<T>,
): Promise<{ readonly value: T; readonly ended: readonly Ended[] }> {
  return database.write(async (transaction) => {
    const settling = { transaction, tally: new Tally(), now: now() };
    const value = await work(settling);
    const ended = await settling.tally.write(transaction, settling.now);
    return { value, ended: [...ended, ...(await beginWaiting(transaction, ended, settling.now))] };
  });
}
