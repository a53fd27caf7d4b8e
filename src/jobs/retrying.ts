import { batchesOf } from '../database/batches.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';
import { countPending } from './dependencies.ts';
import { exclusiveOf } from './enqueue.ts';
import { leadersOf, liftPriority } from './leading.ts';
import { type Along, MOVABLE, type Movable, type Settle, type Settling } from './settling.ts';
import { PLACED } from './tally.ts';

/** Tasks that are done again by one write. */
const AT_ONCE = 500;

/** All failed tasks of an execution are to be done again. @returns how many */
export async function retryFailed(
  { database, settle }: { readonly database: Database; readonly settle: Settle },
  execution: number,
  along?: Along,
): Promise<number> {
  let retried = 0;
  for (const ids of await failedTasks(database, execution)) {
    const isFirst = retried === 0;
    retried += await settle(async (settling) => {
      const some = await retryTasks(settling, execution, ids);
      if (isFirst && some > 0) await along?.(settling.transaction);
      return some;
    });
  }
  return retried;
}

/** The failed tasks of an execution, some at a time. */
export async function failedTasks(
  { read }: Database,
  execution: number,
): Promise<readonly (readonly number[])[]> {
  const failed = await read
    .selectFrom('tasks')
    .select('id')
    .where('execution', '=', execution)
    .where('state', '=', 'failed')
    .orderBy('id')
    .execute();
  const ids = failed.map(({ id }) => id);
  return ids.flatMap((_, index) =>
    index % AT_ONCE === 0 ? [ids.slice(index, index + AT_ONCE)] : [],
  );
}

/**
 * Those of the tasks that have failed are to be done again, with what they wait for that did not succeed, as if they had
 * never been tried.
 *
 * @returns how many of them it were
 * @throws ManagementError PRECONDITION where it is exclusive, and over, and another one of its queue is not
 */
export async function retryTasks(
  settling: Settling,
  execution: number,
  ids: readonly number[],
): Promise<number> {
  const { transaction } = settling;
  const failed = await transaction
    .selectFrom('tasks')
    .select([...MOVABLE, 'key'])
    .where('id', 'in', ids)
    .where('execution', '=', execution)
    .where('state', '=', 'failed')
    .execute();
  if (failed.length === 0) return 0;
  await refuseBesideAnother(transaction, execution);
  await transaction
    .updateTable('executions')
    .set({ stopping: 0 })
    .where('id', '=', execution)
    .execute();
  const again = await withBlockers(settling, failed);
  await wait(settling, again);
  await countPending(
    transaction,
    again.map(({ id }) => id),
  );
  await beginThoseThatMay(settling, again);
  return failed.length;
}

/** One that is not over yet has its turn, whoever waits for it. */
async function refuseBesideAnother(transaction: WriteTransaction, id: number): Promise<void> {
  const { queue, exclusive, ended_at } = await transaction
    .selectFrom('executions')
    .select(['queue', 'exclusive', 'ended_at'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
  if (exclusive === 0 || ended_at === null) return;
  const [other] = await exclusiveOf(transaction, { queue });
  if (other === undefined) return;
  const message = `execution ${other.id} is not over, and one runs at a time`;
  throw new ManagementError('PRECONDITION', message);
}

interface Retried extends Movable {
  readonly key: string | null;
}

/** With those that they wait for and that failed or were stopped, and what those wait for. */
async function withBlockers(
  { transaction }: Settling,
  failed: readonly Retried[],
): Promise<readonly Retried[]> {
  const found = new Map(failed.map((task) => [task.id, task]));
  for (let level = failed; level.length > 0; ) {
    const next: Retried[] = [];
    for (const batch of batchesOf(level.map(({ id }) => id))) {
      const blockers = await transaction
        .selectFrom('tasks')
        .select([...MOVABLE, 'key'])
        .where('state', 'in', ['stopped', 'failed'])
        .where('id', 'in', (row) =>
          row.selectFrom('task_dependencies').select('blocker').where('task', 'in', batch),
        )
        .execute();
      for (const blocker of blockers) {
        if (!found.has(blocker.id)) next.push(blocker);
        found.set(blocker.id, blocker);
      }
    }
    level = next;
  }
  return [...found.values()].toSorted((left, right) => left.id - right.id);
}

/** Of those with one key that are not over only one leads, here as elsewhere. */
async function wait(settling: Settling, tasks: readonly Retried[]): Promise<void> {
  const { transaction, tally } = settling;
  for (const task of tasks) tally.moved(task, task.state, 'waiting');
  const fresh = {
    state: 'waiting' as const,
    ended_at: null,
    attempts: 0,
    mismatches: 0,
    away_since: null,
    progress: 0,
  };
  const keyless = tasks.filter(({ key }) => key === null).map(({ id }) => id);
  for (const batch of batchesOf(keyless)) {
    await transaction
      .updateTable('tasks')
      .set({ ...fresh, follows: null })
      .where('id', 'in', batch)
      .execute();
  }
  const keys = tasks.flatMap(({ key }) => (key === null ? [] : [key]));
  const leaders = new Map(await leadersOf(transaction, keys));
  for (const { key, ...task } of tasks) {
    if (key === null) continue;
    const leader = leaders.get(key);
    await transaction
      .updateTable('tasks')
      .set({ ...fresh, follows: leader?.id ?? null })
      .where('id', '=', task.id)
      .execute();
    const leads =
      leader === undefined
        ? { ...task, state: fresh.state, mayBegin: true }
        : await liftPriority(settling, leader, task.priority);
    leaders.set(key, leads);
  }
}

async function beginThoseThatMay(
  { transaction, tally }: Settling,
  tasks: readonly Movable[],
): Promise<void> {
  for (const batch of batchesOf(tasks.map(({ id }) => id))) {
    const ready = await transaction
      .updateTable('tasks')
      .set({ state: 'ready' })
      .where('id', 'in', batch)
      .where('state', '=', 'waiting')
      .where('pending', '=', 0)
      .where('follows', 'is', null)
      .returning(PLACED)
      .execute();
    for (const task of ready) tally.moved(task, 'waiting', 'ready');
  }
}
