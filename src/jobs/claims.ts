import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { readBoard } from './board.ts';
import { chooseTasks } from './choice.ts';
import { lockJobs } from './lock.ts';
import { chargeOf } from './shares.ts';
import { PLACED, Tally } from './tally.ts';
import type { ClaimedTask } from './task.ts';

export interface ClaimOptions {
  /** At most so many tasks. */
  readonly most: number;
  /** At most so many at one host, over all processes. */
  readonly mostPerHost: number;
  /** Where the process runs, and which start of it this is. */
  readonly instance: string;
  readonly boot: string;
  readonly leaseMs: number;
  readonly now: number;
}

/** Delayed tasks whose time has come, made ready by one claim, in 20 ms. Of more, the most urgent may come with a later claim. */
const MOST_PROMOTED = 1_000;

/**
 * Takes the tasks that are next: those of the highest priority, fair by bytes between queues, and in a queue between its lanes. What it costs
 * depends on how many lanes have something to do, and on how many delayed tasks' time has come, a thousand at most; never on how many
 * tasks there are.
 */
export async function claimTasks(
  transaction: WriteTransaction,
  options: ClaimOptions,
): Promise<readonly ClaimedTask[]> {
  await lockJobs(transaction);
  await promoteDelayed(transaction, options.now);
  const turns = await readBoard(transaction, options);
  const chosen = await chooseTasks(transaction, turns, options.most);
  if (chosen.length === 0) return [];
  const claimed = await transaction
    .updateTable('tasks')
    .set((row) => ({
      state: 'running' as const,
      epoch: row('epoch', '+', 1),
      attempts: row('attempts', '+', 1),
      progress: 0,
      run_at: null,
      lease_instance: options.instance,
      lease_boot: options.boot,
      lease_until: options.now + options.leaseMs,
      started_at: row.fn.coalesce('started_at', sql<number>`cast(${options.now} as bigint)`),
    }))
    .where('id', 'in', chosen)
    .returningAll()
    .execute();
  const tally = new Tally();
  for (const task of claimed) {
    tally.moved(task, 'ready', 'running');
    tally.charged(task, chargeOf(task.cost));
  }
  await tally.write(transaction, options.now);
  return claimed.toSorted((left, right) => chosen.indexOf(left.id) - chosen.indexOf(right.id));
}

/** Whether a claim may find anything: asked of the reader, so that idle workers write nothing. */
export async function mayClaim(
  queries: Pick<WriteTransaction, 'selectFrom'>,
  now: number,
): Promise<boolean> {
  const ready = await queries
    .selectFrom('job_lanes')
    .select('queue')
    .where('ready', '>', 0)
    .limit(1)
    .executeTakeFirst();
  if (ready !== undefined) return true;
  const delayed = await dueTasks(queries, now, 1).executeTakeFirst();
  return delayed !== undefined;
}

function dueTasks(queries: Pick<WriteTransaction, 'selectFrom'>, now: number, most: number) {
  return queries
    .selectFrom('tasks')
    .select('id')
    .where('state', '=', sql.lit('delayed'))
    .where('run_at', '<=', now)
    .orderBy('run_at')
    .limit(most);
}

async function promoteDelayed(transaction: WriteTransaction, now: number): Promise<void> {
  const due = await dueTasks(transaction, now, MOST_PROMOTED).execute();
  if (due.length === 0) return;
  const promoted = await transaction
    .updateTable('tasks')
    .set({ state: 'ready', run_at: null })
    .where(
      'id',
      'in',
      due.map(({ id }) => id),
    )
    .returning(PLACED)
    .execute();
  const tally = new Tally();
  for (const task of promoted) tally.moved(task, 'delayed', 'ready');
  await tally.write(transaction, now);
}
