/** How tasks are over, and what that means for those that wait for them. */
import { batchesOf } from '../database/batches.ts';
import { promoteFollower } from './leading.ts';
import { FREE, MOVABLE, type Movable, type Settling } from './settling.ts';

export interface Ending {
  readonly state: 'succeeded' | 'failed' | 'stopped';
  readonly note?: string | undefined;
  readonly failure?: string;
  readonly reason?: string;
}

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
    const ended = await writeEnd(settling, level.tasks, level.ending);
    const { state } = level.ending;
    for (const batch of batchesOf(ended)) {
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

/** A task of an execution that was stopped. Who follows it from elsewhere goes on without it. */
export async function endStopped(settling: Settling, task: Movable): Promise<void> {
  await endTasks(settling, [task], { state: 'stopped' });
  await promoteFollower(settling, task.id);
}

/** @returns the ids of those that were not over: one may both follow a task and wait for another that ended with it */
async function writeEnd(
  { transaction, tally, now }: Settling,
  tasks: readonly Movable[],
  { state, note, failure, reason }: Ending,
): Promise<readonly number[]> {
  const ended = new Set<number>();
  for (const batch of batchesOf(tasks.map(({ id }) => id))) {
    const rows = await transaction
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
      .where('ended_at', 'is', null)
      .returning('id')
      .execute();
    for (const { id } of rows) ended.add(id);
  }
  for (const task of tasks) if (ended.has(task.id)) tally.moved(task, task.state, state);
  return [...ended];
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
