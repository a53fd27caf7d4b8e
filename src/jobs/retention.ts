import type { Database, WriteTransaction } from '../database/database.ts';
import { lockJobs } from './lock.ts';

export interface RetentionRules {
  /** Executions that are over, of each queue: so many of the newest are kept, as long as they are not too old. */
  readonly newest: number;
  /** How long after their end. The newest of a queue that is over stays for ever. */
  readonly maxAgeMs: number;
}

/** Rows that go in one write, so that nobody waits long behind it. */
const AT_ONCE = 500;

/**
 * Forgets old executions with their tasks and logs, and lanes, turns and hosts that nothing is known of. An abort stops between
 * two writes.
 *
 * @returns how many executions
 */
export async function forgetOld(
  database: Database,
  rules: RetentionRules,
  { now, signal }: { readonly now: number; readonly signal: AbortSignal },
): Promise<number> {
  const old = await oldExecutions(database, rules, now);
  let forgotten = 0;
  for (const id of old) {
    if (!(await forget(database, id, signal))) return forgotten;
    forgotten += 1;
  }
  await database.write((transaction) => forgetIdle(transaction, now));
  return forgotten;
}

async function oldExecutions(
  { read }: Database,
  { newest, maxAgeMs }: RetentionRules,
  now: number,
): Promise<readonly number[]> {
  const old: number[] = [];
  const queues = await read.selectFrom('job_queues').select('name').execute();
  for (const { name } of queues) {
    const over = await read
      .selectFrom('executions')
      .select(['id', 'ended_at'])
      .where('queue', '=', name)
      .where('ended_at', 'is not', null)
      .orderBy('id', 'desc')
      // All but the last.
      .offset(1)
      .limit(Number.MAX_SAFE_INTEGER)
      .execute();
    const isOld = ({ ended_at: at }: { ended_at: number | null }, index: number): boolean =>
      index + 1 >= newest || (at ?? now) < now - maxAgeMs;
    old.push(...over.filter(isOld).map(({ id }) => id));
  }
  return old;
}

/** Its tasks first, some at a time. @returns false where it was aborted before it was done */
async function forget(database: Database, id: number, signal: AbortSignal): Promise<boolean> {
  for (let gone = AT_ONCE; gone === AT_ONCE; ) {
    if (signal.aborted) return false;
    gone = await database.write(async (transaction) => {
      await lockJobs(transaction);
      // It may have been retried meanwhile.
      if (await isOver(transaction, id)) return forgetTasks(transaction, id);
      return 0;
    });
  }
  await database.write(async (transaction) => {
    await lockJobs(transaction);
    await transaction
      .deleteFrom('executions')
      .where('id', '=', id)
      .where('ended_at', 'is not', null)
      .execute();
  });
  return true;
}

async function isOver(transaction: WriteTransaction, id: number): Promise<boolean> {
  const execution = await transaction
    .selectFrom('executions')
    .select('id')
    .where('id', '=', id)
    .where('ended_at', 'is not', null)
    .executeTakeFirst();
  return execution !== undefined;
}

async function forgetTasks(transaction: WriteTransaction, execution: number): Promise<number> {
  const { numDeletedRows } = await transaction
    .deleteFrom('tasks')
    .where('id', 'in', (row) =>
      row.selectFrom('tasks').select('id').where('execution', '=', execution).limit(AT_ONCE),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

async function forgetIdle(transaction: WriteTransaction, now: number): Promise<void> {
  await lockJobs(transaction);
  await transaction
    .deleteFrom('job_lanes')
    .where('ready', '=', 0)
    .where('running', '=', 0)
    .execute();
  // With what it got more than others lately: when it has something to do again, it begins where they are.
  await transaction
    .deleteFrom('job_turns')
    .where((row) =>
      row.not(
        row.exists(
          row
            .selectFrom('job_lanes')
            .select('route')
            .whereRef('job_lanes.queue', '=', 'job_turns.queue')
            .whereRef('job_lanes.priority', '=', 'job_turns.priority'),
        ),
      ),
    )
    .execute();
  await transaction
    .deleteFrom('job_hosts')
    .where('paused', '=', 0)
    .where('failures', '=', 0)
    .where('blocked_until', '<', now)
    .execute();
}
