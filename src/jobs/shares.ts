/**
 * Start-time fair queueing, for each priority by itself. What a queue has of one priority is its turn, and what that has for one
 * set of hosts is a lane; each has a virtual time that moves by what its tasks cost. Turns of the highest priority come first, and of
 * several the one that is least far. Who was idle starts where the others are: time without work is no credit.
 *
 * A task is counted in the turn of its queue and priority, and nowhere else; where its priority changes while it runs, what it was
 * charged goes along. So what came first by its priority is no debt of its queue's other work; those that had to wait for it are
 * afterwards as far apart as they were; and a queue whose priority changes begins where those are that have it already.
 */
import type { Queries, WriteTransaction } from '../database/database.ts';
import { SMALLEST_COST } from './task.ts';

/** The name of all queues together, which only a pause knows. */
export const EVERYTHING = '';

export interface TurnName {
  readonly queue: string;
  readonly priority: number;
}

export interface LaneName extends TurnName {
  readonly route: string;
}

/** What a task of that many bytes moves its lane's time by. */
export const chargeOf = (bytes: number): number => Math.max(bytes, SMALLEST_COST);

/** Makes the queue if it is not there. */
export async function ensureQueue(transaction: WriteTransaction, name: string): Promise<void> {
  await transaction
    .insertInto('job_queues')
    .values({ name, paused: 0 })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}

export async function isQueuePaused(queries: Queries, name: string): Promise<boolean> {
  const row = await queries
    .selectFrom('job_queues')
    .select('paused')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.paused === 1;
}

/** So many bytes count in the lane, which is there, and in its turn. */
export async function charge(
  transaction: WriteTransaction,
  { queue, priority, route }: LaneName,
  bytes: number,
): Promise<void> {
  await transaction
    .updateTable('job_lanes')
    .set((row) => ({ vtime: row('vtime', '+', bytes) }))
    .where('queue', '=', queue)
    .where('priority', '=', priority)
    .where('route', '=', route)
    .execute();
  await transaction
    .insertInto('job_turns')
    .values({ queue, priority, vtime: bytes })
    .onConflict((conflict) =>
      conflict
        .columns(['queue', 'priority'])
        .doUpdateSet((row) => ({ vtime: row('job_turns.vtime', '+', bytes) })),
    )
    .execute();
}

/** A lane that had nothing to do has something now: it begins where the busy ones are, and so does its turn. */
export async function becameBusy(
  transaction: WriteTransaction,
  { queue, priority, route }: LaneName,
): Promise<void> {
  const siblings = transaction
    .selectFrom('job_lanes')
    .where('queue', '=', queue)
    .where('priority', '=', priority)
    .where('route', '!=', route);
  const busy = await siblings
    .select((row) => row.fn.min('vtime').as('vtime'))
    .where((row) => row.or([row('ready', '>', 0), row('running', '>', 0)]))
    .executeTakeFirst();
  const isAlone = busy?.vtime == null;
  const latest = isAlone
    ? await siblings.select((row) => row.fn.max('vtime').as('vtime')).executeTakeFirst()
    : busy;
  await transaction
    .updateTable('job_lanes')
    .set({ vtime: latest?.vtime ?? 0 })
    .where('queue', '=', queue)
    .where('priority', '=', priority)
    .where('route', '=', route)
    .where('vtime', '<', latest?.vtime ?? 0)
    .execute();
  if (isAlone) await liftTurn(transaction, { queue, priority });
}

/** All turns of a queue that was paused. */
export async function liftTurns(transaction: WriteTransaction, queue: string): Promise<void> {
  const turns = await transaction
    .selectFrom('job_turns')
    .select('priority')
    .where('queue', '=', queue)
    .orderBy('priority')
    .execute();
  for (const { priority } of turns) await liftTurn(transaction, { queue, priority });
}

/** To where the busy ones of its priority are whose queues are not paused; where all are idle, to where the last of them was. */
async function liftTurn(
  transaction: WriteTransaction,
  { queue, priority }: TurnName,
): Promise<void> {
  const others = transaction
    .selectFrom('job_turns')
    .where('priority', '=', priority)
    .where('queue', '!=', queue);
  const busy = await others
    .innerJoin('job_queues', 'job_queues.name', 'job_turns.queue')
    .select((row) => row.fn.min('vtime').as('vtime'))
    .where('paused', '=', 0)
    .where((row) =>
      row.exists(
        row
          .selectFrom('job_lanes')
          .select('route')
          .whereRef('job_lanes.queue', '=', 'job_turns.queue')
          .whereRef('job_lanes.priority', '=', 'job_turns.priority')
          .where((lane) => lane.or([lane('ready', '>', 0), lane('running', '>', 0)])),
      ),
    )
    .executeTakeFirst();
  const latest =
    busy?.vtime == null
      ? await others.select((row) => row.fn.max('vtime').as('vtime')).executeTakeFirst()
      : busy;
  const vtime = latest?.vtime ?? 0;
  await transaction
    .insertInto('job_turns')
    .values({ queue, priority, vtime })
    .onConflict((conflict) =>
      conflict
        .columns(['queue', 'priority'])
        .doUpdateSet({ vtime })
        .where('job_turns.vtime', '<', vtime),
    )
    .execute();
}
