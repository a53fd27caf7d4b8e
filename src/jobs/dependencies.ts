import { batchesOf } from '../database/batches.ts';
import type { WriteTransaction } from '../database/database.ts';

export interface Dependency {
  readonly task: number;
  readonly blocker: number;
}

export async function insertDependencies(
  transaction: WriteTransaction,
  dependencies: readonly Dependency[],
): Promise<void> {
  for (const batch of batchesOf(dependencies)) {
    await transaction
      .insertInto('task_dependencies')
      .values(batch)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/** How many of those that each waits for have not succeeded, by what is written. */
export async function countPending(
  transaction: WriteTransaction,
  ids: readonly number[],
): Promise<void> {
  for (const batch of batchesOf(ids)) {
    await transaction
      .updateTable('tasks')
      .set((row) => ({
        pending: row
          .selectFrom('task_dependencies')
          .innerJoin('tasks as blockers', 'blockers.id', 'task_dependencies.blocker')
          .select((each) => each.fn.countAll<number>().as('count'))
          .whereRef('task_dependencies.task', '=', 'tasks.id')
          .where('blockers.state', '!=', 'succeeded'),
      }))
      .where('id', 'in', batch)
      .execute();
  }
}
