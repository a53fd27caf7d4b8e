/** How tasks end, and what that means for those that wait for them. */
import type { Updateable } from 'kysely';
import { batchesOf } from '../database/batches.ts';
import type { WriteTransaction } from '../database/database.ts';
import type { TaskRow } from '../database/job-tables.ts';
import { hostsWork } from './hosts.ts';
import { addTasks, insertDependencies } from './new-tasks.ts';
import type { Tally } from './tally.ts';
import { type Claim, type ClaimedTask, hostsOf, LeaseLost, type TaskOutcome } from './task.ts';

/** A transaction in which tasks end. */
export interface Settling {
  readonly transaction: WriteTransaction;
  readonly tally: Tally;
  readonly now: number;
}

/**
 * The task of a claim, which nobody else ends meanwhile.
 *
 * @throws LeaseLost
 */
export async function heldTask({ transaction }: Settling, claim: Claim): Promise<ClaimedTask> {
  const task = await transaction
    .updateTable('tasks')
    .set({ run_at: null })
    .where('id', '=', claim.id)
    .where('epoch', '=', claim.epoch)
    .where('state', 'in', ['running', 'stopping'])
    .returningAll()
    .executeTakeFirst();
  if (task === undefined) throw new LeaseLost(claim);
  return task;
}

/**
 * The handler returned. Everything in `outcome` is true with it, or nothing.
 *
 * @throws LeaseLost
 */
export async function settleOutcome(
  settling: Settling,
  claim: Claim,
  outcome: TaskOutcome,
): Promise<void> {
  const task = await heldTask(settling, claim);
  const { next = [], again, note, bytes = task.progress } = outcome;
  // Nothing new begins in an execution that was stopped: what led to it is done again when somebody wants it.
  if (task.state === 'stopping' && (next.length > 0 || again !== undefined)) {
    await endTasks(settling, [task], { state: 'stopped' });
    return;
  }
  await hostsWork(settling.transaction, hostsOf(task.route));
  await outcome.alongside?.(settling.transaction);
  const { execution, queue } = task;
  const ids = await addTasks(settling.transaction, next, { ...settling, execution, queue });
  const replacing = ids.filter((_, index) => next[index]?.replaces === true);
  await passOn(settling, task, replacing);
  await addBytes(settling, task, bytes);
  if (again !== undefined) {
    await rearm(settling, task, { payload: JSON.stringify(again.payload), attempts: 0 });
    return;
  }
  // What was asked for is not there yet: a follower that asks again follows those that bring it.
  const isDone = replacing.length === 0;
  await endTasks(settling, [task], { state: 'succeeded', note }, { endsFollowers: isDone });
  if (!isDone) await promoteFollower(settling, task.id);
}

/** Bytes that an attempt moved, which its execution and its row add up. */
async function addBytes({ transaction, tally }: Settling, task: ClaimedTask, bytes: number) {
  tally.sent(task.execution, bytes);
  await transaction
    .updateTable('tasks')
    .set((row) => ({ bytes: row('bytes', '+', bytes), progress: bytes }))
    .where('id', '=', task.id)
    .execute();
}

/** Who waits for the task waits for these too. */
async function passOn(
  { transaction }: Settling,
  task: ClaimedTask,
  replacing: readonly number[],
): Promise<void> {
  if (replacing.length === 0) return;
  const dependents = await transaction
    .selectFrom('task_dependencies')
    .innerJoin('tasks', 'tasks.id', 'task_dependencies.task')
    .select('tasks.id')
    .where('blocker', '=', task.id)
    .where('state', '=', 'waiting')
    .execute();
  const blockers = [...new Set(replacing)];
  await insertDependencies(
    transaction,
    dependents.flatMap(({ id }) => blockers.map((blocker) => ({ task: id, blocker }))),
  );
  await countPending(
    transaction,
    dependents.map(({ id }) => id),
  );
}

/** How many of those that each waits for have not succeeded, by what is written. */
async function countPending(transaction: WriteTransaction, ids: readonly number[]): Promise<void> {
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

export interface Ending {
  readonly state: 'succeeded' | 'failed' | 'stopped';
  readonly note?: string | undefined;
  readonly failure?: string;
  readonly reason?: string;
}

/** What has to be known of a task to move it. */
export type Movable = Pick<ClaimedTask, 'id' | 'execution' | 'queue' | 'route' | 'state'>;
const MOVABLE = ['id', 'execution', 'queue', 'route', 'state'] as const;

/** Tasks are over. What waits for one that succeeded gets on, what waits for one that failed fails. */
export async function endTasks(
  settling: Settling,
  tasks: readonly Movable[],
  ending: Ending,
  { endsFollowers = true }: { readonly endsFollowers?: boolean } = {},
): Promise<void> {
  const levels: { readonly tasks: readonly Movable[]; readonly ending: Ending }[] = [
    { tasks, ending },
  ];
  for (let level = levels.shift(); level !== undefined; level = levels.shift()) {
    await writeEnd(settling, level.tasks, level.ending);
    const { state } = level.ending;
    for (const batch of batchesOf(level.tasks.map(({ id }) => id))) {
      if (state === 'succeeded') await release(settling, batch);
      if (state === 'stopped' || !endsFollowers) continue;
      const followers = await followersOf(settling, batch);
      if (followers.length > 0) levels.push({ tasks: followers, ending: level.ending });
      if (state === 'succeeded') continue;
      const dependents = await dependentsOf(settling, batch);
      const blocked = { ...level.ending, failure: 'blocked' };
      if (dependents.length > 0) levels.push({ tasks: dependents, ending: blocked });
    }
  }
}

async function writeEnd(
  { transaction, tally, now }: Settling,
  tasks: readonly Movable[],
  { state, note, failure, reason }: Ending,
): Promise<void> {
  for (const task of tasks) tally.moved(task, task.state, state);
  for (const batch of batchesOf(tasks.map(({ id }) => id))) {
    await transaction
      .updateTable('tasks')
      .set({
        ...FREE,
        state,
        note: note ?? null,
        failure: failure ?? null,
        reason: reason ?? null,
        ended_at: now,
      })
      .where('id', 'in', batch)
      .execute();
  }
}

const FREE = { lease_instance: null, lease_boot: null, lease_until: null, run_at: null };

/** The task is not over: it gets on at its turn, or once `runAt` has come. */
export async function rearm(
  { transaction, tally }: Settling,
  task: Movable,
  { runAt, ...changes }: Updateable<TaskRow> & { readonly runAt?: number | undefined },
): Promise<void> {
  const state = runAt === undefined ? 'ready' : 'delayed';
  tally.moved(task, task.state, state);
  await transaction
    .updateTable('tasks')
    .set({ ...FREE, ...changes, state, run_at: runAt ?? null })
    .where('id', '=', task.id)
    .execute();
}

/** One of those that followed the task leads now, and the others follow it. */
async function promoteFollower(settling: Settling, task: number): Promise<void> {
  const { transaction, tally } = settling;
  const first = await transaction
    .selectFrom('tasks')
    .select([...MOVABLE, 'pending'])
    .where('follows', '=', task)
    .where('ended_at', 'is', null)
    .orderBy('id')
    .executeTakeFirst();
  if (first === undefined) return;
  const state = first.pending === 0 ? 'ready' : 'waiting';
  tally.moved(first, first.state, state);
  await transaction
    .updateTable('tasks')
    .set({ follows: null, state })
    .where('id', '=', first.id)
    .execute();
  await transaction
    .updateTable('tasks')
    .set({ follows: first.id })
    .where('follows', '=', task)
    .where('ended_at', 'is', null)
    .execute();
}

/** What waited for these tasks, and for nothing else, may begin. */
async function release(
  { transaction, tally }: Settling,
  blockers: readonly number[],
): Promise<void> {
  const rows = await transaction
    .selectFrom('task_dependencies')
    .select((row) => ['task', row.fn.countAll<number>().as('blockers')])
    .where('blocker', 'in', blockers)
    .groupBy('task')
    .execute();
  const byCount = Map.groupBy(rows, ({ blockers: count }) => count);
  for (const [count, dependents] of byCount) {
    for (const batch of batchesOf(dependents.map(({ task }) => task))) {
      const released = await transaction
        .updateTable('tasks')
        .set((row) => ({ pending: row('pending', '-', count) }))
        .where('id', 'in', batch)
        .where('state', '=', 'waiting')
        .returning([...MOVABLE, 'pending', 'follows'])
        .execute();
      const ready = released.filter(({ pending, follows }) => pending === 0 && follows === null);
      if (ready.length === 0) continue;
      for (const task of ready) tally.moved(task, 'waiting', 'ready');
      await transaction
        .updateTable('tasks')
        .set({ state: 'ready' })
        .where(
          'id',
          'in',
          ready.map(({ id }) => id),
        )
        .execute();
    }
  }
}

async function followersOf(
  { transaction }: Settling,
  leaders: readonly number[],
): Promise<readonly Movable[]> {
  return transaction
    .selectFrom('tasks')
    .select(MOVABLE)
    .where('follows', 'in', leaders)
    .where('ended_at', 'is', null)
    .execute();
}

async function dependentsOf(
  { transaction }: Settling,
  blockers: readonly number[],
): Promise<readonly Movable[]> {
  return transaction
    .selectFrom('tasks')
    .select(MOVABLE)
    .where('state', '=', 'waiting')
    .where('id', 'in', (row) =>
      row.selectFrom('task_dependencies').select('task').where('blocker', 'in', blockers),
    )
    .execute();
}
