/**
 * Tasks of one key, in several executions: one leads, the others follow it and end as it ends. The lead passes on when the
 * leader's execution is stopped or its queue paused, so that nobody waits for what somebody else gave up.
 */
import type { WriteTransaction } from '../database/database.ts';
import { MOVABLE, type Movable, type Settling } from './settling.ts';

export interface Leader extends Movable {
  /** Runs, or is in a queue that is not paused. */
  readonly mayBegin: boolean;
}

/** Keys of one statement. */
const AT_ONCE = 500;

/** Of those of the keys that a task has which is not over. */
export async function leadersOf(
  transaction: WriteTransaction,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Leader>> {
  const leaders = new Map<string, Leader>();
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    const rows = await transaction
      .selectFrom('tasks')
      .innerJoin('job_queues', 'job_queues.name', 'tasks.queue')
      .select([...MOVABLE.map((column) => `tasks.${column}` as const), 'key', 'paused'])
      .where('key', 'in', keys.slice(start, start + AT_ONCE))
      .where('follows', 'is', null)
      .where('ended_at', 'is', null)
      .execute();
    for (const { key, paused, ...leader } of rows) {
      const mayBegin = paused === 0 || leader.state === 'running' || leader.state === 'stopping';
      if (key !== null) leaders.set(key, { ...leader, mayBegin });
    }
  }
  return leaders;
}

/** The leader is wanted as much as by the one that wants it most. @returns what is known of it then */
export async function liftPriority(
  { transaction, tally }: Settling,
  leader: Leader,
  priority: number,
): Promise<Leader> {
  if (leader.priority >= priority) return leader;
  const lifted = await transaction
    .updateTable('tasks')
    .set({ priority })
    .where('id', '=', leader.id)
    .where('priority', '=', leader.priority)
    .returning(['priority', 'state', 'cost'])
    .executeTakeFirst();
  if (lifted === undefined) return leader;
  tally.preferred(leader, lifted);
  return { ...leader, priority };
}

/** How much the task is wanted by those that follow it. */
export async function wantedPriority(
  { transaction }: Settling,
  leader: number,
): Promise<number | undefined> {
  const { priority } = await transaction
    .selectFrom('tasks')
    .select((row) => row.fn.max('priority').as('priority'))
    .where('follows', '=', leader)
    .where('ended_at', 'is', null)
    .executeTakeFirstOrThrow();
  return priority ?? undefined;
}

/** The follower leads now, and the leader follows it. For a leader that nobody works on. */
export async function takeLead(
  settling: Settling,
  leader: Movable,
  follower: number,
): Promise<void> {
  const { transaction, tally } = settling;
  tally.moved(leader, leader.state, 'waiting');
  await transaction
    .updateTable('tasks')
    .set({ state: 'waiting', run_at: null, follows: follower })
    .where('id', '=', leader.id)
    .execute();
  await lead(settling, follower, leader.id);
}

/** What waits in a queue that is paused, and what others follow that are not, one of them leads. */
export async function giveLeadsAway(settling: Settling, queue: string): Promise<void> {
  const followed = await settling.transaction
    .selectFrom('tasks as follower')
    .innerJoin('tasks as leader', 'leader.id', 'follower.follows')
    .innerJoin('job_queues', 'job_queues.name', 'follower.queue')
    .select(MOVABLE.map((column) => `leader.${column}` as const))
    .select('follower.id as follower')
    // So that the few that follow are read, and not all tasks.
    .where('follower.follows', '>', 0)
    .where('leader.queue', '=', queue)
    .where('leader.state', 'in', ['waiting', 'ready', 'delayed'])
    .where('follower.ended_at', 'is', null)
    .where('job_queues.paused', '=', 0)
    .orderBy('follower.follows')
    .orderBy('follower.id')
    .execute();
  const given = new Set<number>();
  for (const { follower, ...leader } of followed) {
    if (given.has(leader.id)) continue;
    given.add(leader.id);
    await takeLead(settling, leader, follower);
  }
}

/** One of those that followed the task, which is over, leads now; the others follow it. */
export async function promoteFollower(settling: Settling, task: number): Promise<void> {
  const first = await settling.transaction
    .selectFrom('tasks')
    .innerJoin('job_queues', 'job_queues.name', 'tasks.queue')
    .select('id')
    .where('follows', '=', task)
    .where('ended_at', 'is', null)
    // Rather one that may begin.
    .orderBy('paused')
    .orderBy('id')
    .executeTakeFirst();
  if (first !== undefined) await lead(settling, first.id, task);
}

/** It is wanted as much as by the one that wants it most of those that follow it then. */
async function lead(settling: Settling, id: number, former: number): Promise<void> {
  const { transaction, tally } = settling;
  const { pending, ...task } = await transaction
    .updateTable('tasks')
    .set({ follows: null })
    .where('id', '=', id)
    .returning([...MOVABLE, 'pending'])
    .executeTakeFirstOrThrow();
  await transaction
    .updateTable('tasks')
    .set({ follows: id })
    .where('follows', '=', former)
    .where('ended_at', 'is', null)
    .execute();
  const priority = Math.max(task.priority, (await wantedPriority(settling, id)) ?? task.priority);
  const state = pending === 0 ? 'ready' : task.state;
  tally.moved({ ...task, priority }, task.state, state);
  await transaction.updateTable('tasks').set({ priority, state }).where('id', '=', id).execute();
}
