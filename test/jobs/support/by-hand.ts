/** What workers do with tasks, a step at a time, and at the time that is told. */
import type { Database } from '../../../src/database/database.ts';
import { type ClaimOptions, claimTasks } from '../../../src/jobs/claims.ts';
import { addExecution } from '../../../src/jobs/enqueue.ts';
import { RETRY_RULES, settleFailure } from '../../../src/jobs/failing.ts';
import { settleOutcome } from '../../../src/jobs/outcomes.ts';
import type { Settling } from '../../../src/jobs/settling.ts';
import type { ClaimedTask, Failure, NewTask } from '../../../src/jobs/task.ts';
import { settle } from '../../../src/jobs/transactions.ts';
import { START } from '../world.ts';

export const CLAIMING = {
  mostPerHost: 1_000,
  instance: 'one',
  boot: 'first',
  leaseMs: 60_000,
  now: START,
};

export async function addTo(
  database: Database,
  queue: string,
  tasks: readonly NewTask[],
): Promise<void> {
  await database.write((transaction) =>
    addExecution(
      transaction,
      { kind: 'replication', queue, trigger: 'manual', operator: 'ada', tasks },
      START,
    ),
  );
}

export async function claim(
  database: Database,
  most: number,
  more: Partial<ClaimOptions> = {},
): Promise<readonly ClaimedTask[]> {
  return database.write((transaction) => claimTasks(transaction, { ...CLAIMING, most, ...more }));
}

export async function succeed(
  database: Database,
  task: ClaimedTask,
  bytes: number,
  now = START,
): Promise<void> {
  const outcome = { outcome: { bytes }, sent: 0 };
  await settleAt(database, (settling) => settleOutcome(settling, task, outcome), now);
}

/** Having moved nothing. @returns what that makes of it */
export async function fail(database: Database, task: ClaimedTask, failure: Failure, now = START) {
  const how = { failure, sent: 0, rules: RETRY_RULES, random: () => 1 };
  return settleAt(database, (settling) => settleFailure(settling, task, how), now);
}

/** So often in a row, and may be asked again. */
export async function hostFailed(
  database: Database,
  host: string,
  { failures, since }: { readonly failures: number; readonly since: number },
): Promise<void> {
  const failing = { failures, failing_since: since, open_until: START, reason: 'refused' };
  await database.write((transaction) =>
    transaction
      .insertInto('job_hosts')
      .values({ host, blocked_until: 0, paused: 0, ...failing })
      .execute(),
  );
}

export async function settleAt<T>(
  database: Database,
  work: (settling: Settling) => Promise<T>,
  now = START,
): Promise<T> {
  const { value } = await settle(database, () => now, work);
  return value;
}
