import { batchesOf } from '../database/batches.ts';
import type { WriteTransaction } from '../database/database.ts';
import { insertDependencies } from './dependencies.ts';
import { promoteFollower } from './leading.ts';
import { MOVABLE, type Movable, type Settling } from './settling.ts';
import { chargeOf } from './shares.ts';
import { type Ended, endOf } from './tally.ts';

export interface Stopped {
  /** Tasks that run and have to be told. */
  readonly running: readonly number[];
  /** One that had not begun is over at once. */
  readonly ended: readonly Ended[];
}

/**
 * Nothing of the execution begins any more. What other executions wait for is theirs from now on: a task that runs goes
 * on for them, one that does not is led by one of them.
 */
export async function stopExecution(settling: Settling, id: number): Promise<Stopped> {
  const { transaction, now } = settling;
  const execution = await transaction
    .updateTable('executions')
    .set({ stopping: 1 })
    .where('id', '=', id)
    .where('status', 'in', ['waiting', 'running'])
    .returningAll()
    .executeTakeFirst();
  if (execution === undefined) return { running: [], ended: [] };
  if (execution.status === 'waiting') {
    const stopped = { status: 'stopped' as const, ended_at: now, held_tasks: null };
    await transaction.updateTable('executions').set(stopped).where('id', '=', id).execute();
    return { running: [], ended: [endOf({ ...execution, ...stopped }, now)] };
  }
  const wanted = await wantedElsewhere(settling, id);
  for (const { leader, follower } of wanted) {
    if (leader.state === 'running') await handOver(settling, leader, follower);
  }
  await stopIdle(settling, id);
  for (const { leader } of wanted) {
    if (leader.state !== 'running') await promoteFollower(settling, leader.id);
  }
  return { running: await stopRunning(settling, id), ended: [] };
}

interface Wanted {
  readonly leader: Movable;
  readonly follower: Movable;
}

/** Tasks that others follow, each with the first of those. */
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
    .where('leader.ended_at', 'is', null)
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
  const theirs = await wishOf(settling, follower.id);
  tally.moved(leader, 'running', 'stopped');
  tally.charged(leader, -chargeOf(mine.cost));
  tally.moved(follower, 'waiting', 'running');
  tally.charged(follower, chargeOf(theirs.cost));
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
    .select(['execution', 'queue', 'route', 'kind', 'payload', 'resource', 'priority', 'cost'])
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

const IDLE = ['waiting', 'ready', 'delayed'] as const;

async function stopIdle({ transaction, tally, now }: Settling, execution: number): Promise<void> {
  const groups = await transaction
    .selectFrom('tasks')
    .select((row) => ['queue', 'route', 'state', row.fn.countAll<number>().as('count')])
    .where('execution', '=', execution)
    .where('state', 'in', IDLE)
    .groupBy(['queue', 'route', 'state'])
    .execute();
  for (const { count, state, ...placed } of groups)
    tally.moved({ ...placed, execution }, state, 'stopped', count);
  await transaction
    .updateTable('tasks')
    .set({ state: 'stopped', follows: null, run_at: null, ended_at: now })
    .where('execution', '=', execution)
    .where('state', 'in', IDLE)
    .execute();
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
