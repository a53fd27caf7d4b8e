import type { Updateable } from 'kysely';
import type { TaskRow } from '../database/job-tables.ts';
import { giveLeadsAway } from './leading.ts';
import { FREE, type Movable, type Settling } from './settling.ts';
import { isQueuePaused } from './shares.ts';

/** The task is not over: it gets on at its turn, or once `runAt` has come. While its queue is paused, one that follows it leads. */
export async function rearm(
  settling: Settling,
  task: Movable,
  { runAt, ...changes }: Updateable<TaskRow> & { readonly runAt?: number | undefined },
): Promise<void> {
  const { transaction, tally } = settling;
  const state = runAt === undefined ? 'ready' : 'delayed';
  tally.moved(task, task.state, state);
  await transaction
    .updateTable('tasks')
    .set({ ...FREE, ...changes, state, run_at: runAt === undefined ? null : Math.ceil(runAt) })
    .where('id', '=', task.id)
    .execute();
  if (await isQueuePaused(transaction, task.queue)) await giveLeadsAway(settling, task.queue);
}
