/**
 * Start-time fair queueing: each queue, and each lane in it, has a virtual time that moves by what its tasks cost over its
 * weight. The one that is least far is next. Who was idle starts where the others are: time without work is no credit.
 */
import { sql } from 'kysely';
import type { Queries, WriteTransaction } from '../database/database.ts';
import { SMALLEST_COST } from './task.ts';

/** The name of all queues together, which only a pause knows. */
export const EVERYTHING = '';

/** What a task of that many bytes moves its lane's time by. */
export const chargeOf = (bytes: number): number => Math.max(bytes, SMALLEST_COST);

/** Makes the queue, with the weight 1, if it is not there; on an engine with several writers it waits its turn here. */
export async function lockQueue(transaction: WriteTransaction, name: string): Promise<void> {
  await transaction
    .insertInto('job_queues')
    .values({ name, weight: 1, vtime: 0, paused: 0, most_running: null })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((row) => ({ weight: row.ref('job_queues.weight') })),
    )
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

export async function chargeQueue(
  transaction: WriteTransaction,
  name: string,
  bytes: number,
): Promise<void> {
  await transaction
    .updateTable('job_queues')
    // Whole numbers: what a division leaves is less than a byte.
    .set((row) => ({ vtime: row('vtime', '+', sql<number>`cast(${bytes} as bigint) / weight`) }))
    .where('name', '=', name)
    .execute();
}

export interface QueueShare {
  /** Of the bytes that move, beside those of other queues. A whole number, 1 unless it is set. */
  readonly weight: number;
  /** Tasks at once; undefined: as many as there are workers. */
  readonly mostRunning?: number | undefined;
}

export async function shareQueue(
  { transaction }: { readonly transaction: WriteTransaction },
  name: string,
  { weight, mostRunning }: QueueShare,
): Promise<void> {
  await lockQueue(transaction, name);
  await transaction
    .updateTable('job_queues')
    .set({ weight, most_running: mostRunning ?? null })
    .where('name', '=', name)
    .execute();
}

/** A lane that had nothing to do has something now: it begins where the busy ones are, and so does its queue. */
export async function becameBusy(
  transaction: WriteTransaction,
  { queue, route }: { readonly queue: string; readonly route: string },
): Promise<void> {
  const siblings = transaction
    .selectFrom('job_lanes')
    .where('queue', '=', queue)
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
    .where('route', '=', route)
    .where('vtime', '<', latest?.vtime ?? 0)
    .execute();
  if (isAlone) await liftQueue(transaction, queue);
}

/** To where the busy queues are that are not paused; where all are idle, to where the last of them was. */
export async function liftQueue(transaction: WriteTransaction, name: string): Promise<void> {
  const others = transaction.selectFrom('job_queues').where('name', '!=', name);
  const busy = await others
    .select((row) => row.fn.min('vtime').as('vtime'))
    .where('paused', '=', 0)
    .where((row) =>
      row.exists(
        row
          .selectFrom('job_lanes')
          .select('route')
          .whereRef('job_lanes.queue', '=', 'job_queues.name')
          .where((lane) => lane.or([lane('ready', '>', 0), lane('running', '>', 0)])),
      ),
    )
    .executeTakeFirst();
  const latest =
    busy?.vtime == null
      ? await others.select((row) => row.fn.max('vtime').as('vtime')).executeTakeFirst()
      : busy;
  await transaction
    .updateTable('job_queues')
    .set({ vtime: latest?.vtime ?? 0 })
    .where('name', '=', name)
    .where('vtime', '<', latest?.vtime ?? 0)
    .execute();
}
