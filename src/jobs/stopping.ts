import { batchesOf } from '../database/batches.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import { insertDependencies } from './dependencies.ts';
import { endTasks } from './endings.ts';
import { stoppingExecutions } from './executions.ts';
import { promoteFollower, wantedPriority } from './leading.ts';
import { type Along, MOVABLE, type Movable, type Settle, type Settling } from './settling.ts';
import { chargeOf } from './shares.ts';
import { type Ended, endOf, PLACED } from './tally.ts';

export interface Stopped {
  /** Tasks that run and have to be told. */
  readonly running: readonly number[];
  /** One that had not begun is over at once. */
  readonly ended: readonly Ended[];
}

/** Tasks that are stopped in one write, so that nobody waits long behind it. */
const AT_ONCE = 1_000;

/**
 * Nothing of the execution begins any more, and what runs is told to end. A task that runs and that another execution
 * waits for goes on for that one. What does not run is left for `stopSome`.
 */
export async function beginStop(settling: Settling, id: number, along?: Along): Promise<Stopped> {
  const { transaction, now } = settling;
  const execution = await transaction
    .updateTable('executions')
    .set({ stopping: 1 })
    .where('id', '=', id)
    .where('status', 'in', ['waiting', 'running'])
    .returningAll()
    .executeTakeFirst();
  if (execution === undefined) return { running: [], ended: [] };
  await along?.(transaction);
  if (execution.status === 'waiting') {
    const stopped = { status: 'stopped' as const, ended_at: now, held_tasks: null };
    await transaction.updateTable('executions').set(stopped).where('id', '=', id).execute();
    return { running: [], ended: [endOf({ ...execution, ...stopped }, now)] };
  }
  for (const { leader, follower } of await wantedElsewhere(settling, id))
    await handOver(settling, leader, follower);
  return { running: await stopRunning(settling, id), ended: [] };
}

/**
 * Stops tasks of an execution that do not run. Those that other executions wait for are led by one of them.
 *
 * @returns whether there may be more
 */
export async function stopSome(
  settling: Settling,
  execution: number,
  most = AT_ONCE,
): Promise<boolean> {
  const { transaction } = settling;
  const idle = await transaction
    .selectFrom('tasks')
    .innerJoin('executions', 'executions.id', 'tasks.execution')
    .select(MOVABLE.map((column) => `tasks.${column}` as const))
    .where('tasks.execution', '=', execution)
    .where('tasks.state', 'in', ['waiting', 'ready', 'delayed'])
    .where('executions.stopping', '=', 1)
    .limit(most)
    .execute();
  await endTasks(settling, idle, { state: 'stopped' });
  for (const batch of batchesOf(idle.map(({ id }) => id))) {
    const followed = await transaction
      .selectFrom('tasks')
      .select('follows')
      .distinct()
      .where('follows', 'in', batch)
      .where('ended_at', 'is', null)
      .execute();
    for (const { follows } of followed) {
      if (follows !== null) await promoteFollower(settling, follows);
    }
  }
  return idle.length === most;
}

/** Goes on with stops that were begun, here or elsewhere, and not brought to their end. */
export async function finishStops(database: Database, settle: Settle): Promise<void> {
  for (const { id } of await stoppingExecutions(database.read))
    while (await settle((settling) => stopSome(settling, id)));
}

interface Wanted {
  readonly leader: Movable;
  readonly follower: Movable;
}

/** Tasks that run and that others follow, each with the first of those. */
async function wantedElsewhere(
  { transaction }: Settling,
  execution: number,
): Promise<readonly Wanted[]> {
  const followers = await transaction
    .selectFrom('tasks as follower')
    .innerJoin('tasks as leader', 'leader.id', 'follower.follows')
    .select(MOVABLE.map((column) => `follower.${column}` as const))
    .select('follower.follows')
    .where('leader.execution', '=', execution)
    .where('leader.state', '=', 'running')
    .where('follower.execution', '!=', execution)
    .where('follower.ended_at', 'is', null)
    .orderBy('follower.id')
    .execute();
  const first = new Map<number, Movable>();
  for (const { follows, ...follower } of followers) {
    if (follows !== null && !first.has(follows)) first.set(follows, follower);
  }
  const wanted: Wanted[] = [];
  for (const batch of batchesOf([...first.keys()])) {
    const leaders = await transaction
      .selectFrom('tasks')
      .select(MOVABLE)
      .where('id', 'in', batch)
      .execute();
    for (const leader of leaders) {
      const follower = first.get(leader.id);
      if (follower !== undefined) wanted.push({ leader, follower });
    }
  }
  return wanted;
}

/**
 * The two rows change places, so that the worker goes on with the one it has; what waited for either waits for the other.
 * What each wants done stays with its execution: another attempt is at what the new one asked for.
 */
async function handOver(settling: Settling, leader: Movable, follower: Movable): Promise<void> {
  const { transaction, tally, now } = settling;
  const mine = await wishOf(settling, leader.id);
  const wish = await wishOf(settling, follower.id);
  const theirs = {
    ...wish,
    priority: (await wantedPriority(settling, leader.id)) ?? wish.priority,
  };
  tally.moved(leader, 'running', 'stopped');
  tally.charged(leader, -chargeOf(mine.cost));
  tally.moved(theirs, 'waiting', 'running');
  tally.charged(theirs, chargeOf(theirs.cost));
  await transaction
    .updateTable('tasks')
    .set({ ...mine, follows: null, state: 'stopped', ended_at: now, note: 'handed over' })
    .where('id', '=', follower.id)
    .execute();
  await transaction.updateTable('tasks').set(theirs).where('id', '=', leader.id).execute();
  await exchangeDependents(transaction, leader.id, follower.id);
}

function wishOf({ transaction }: Settling, id: number) {
  return transaction
    .selectFrom('tasks')
    .select([...PLACED, 'kind', 'payload', 'resource', 'cost'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

async function exchangeDependents(
  transaction: WriteTransaction,
  one: number,
  other: number,
): Promise<void> {
  const dependents = await transaction
    .selectFrom('task_dependencies')
    .selectAll()
    .where('blocker', 'in', [one, other])
    .execute();
  await transaction
    .deleteFrom('task_dependencies')
    .where((row) =>
      // What they waited for themselves: one of them has begun, and so it is done.
      row.or([row('blocker', 'in', [one, other]), row('task', 'in', [one, other])]),
    )
    .execute();
  await insertDependencies(
    transaction,
    dependents.map(({ task, blocker }) => ({ task, blocker: blocker === one ? other : one })),
  );
}

async function stopRunning(
  { transaction }: Settling,
  execution: number,
): Promise<readonly number[]> {
  const running = await transaction
    .updateTable('tasks')
    .set({ state: 'stopping' })
    .where('execution', '=', execution)
    .where('state', '=', 'running')
    .returning('id')
    .execute();
  return running.map(({ id }) => id);
}
