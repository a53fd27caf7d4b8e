import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { readBoard } from './board.ts';
import { chooseTasks } from './choice.ts';
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

/** Delayed tasks whose time has come, made ready by one claim. */
const MOST_PROMOTED = 100;

/**
 * Takes the tasks that are next: those of the highest priority, fair by bytes between queues, and in a queue between its lanes. What it costs
 * depends on how many lanes have something to do, never on how many tasks.
 */
export async function claimTasks(
  transaction: WriteTransaction,
  options: ClaimOptions,
): Promise<readonly ClaimedTask[]> {
  await promoteDelayed(transaction, options.now);
  const queues = await readBoard(transaction, options);
  const chosen = await chooseTasks(transaction, queues, options.most);
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
    // Another process may have been faster.
    .where('state', '=', 'ready')
    .where((row) => row.not(row.exists(stoppingExecution(transaction))))
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

/** Of a task, where somebody stops it: some tasks of it may not be stopped yet. */
function stoppingExecution(transaction: WriteTransaction) {
  return transaction
    .selectFrom('executions')
    .select('executions.id')
    .where('executions.id', '=', sql.ref<number>('tasks.execution'))
    .where('executions.stopping', '=', 1);
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
    .where('state', '=', 'delayed')
    .returning(PLACED)
    .execute();
  const tally = new Tally();
  for (const task of promoted) tally.moved(task, 'delayed', 'ready');
  await tally.write(transaction, now);
}
