import type { Queries } from '../database/database.ts';
import { ensureHost } from './hosts.ts';
import { takeLead } from './leading.ts';
import { MOVABLE, type Settling } from './settling.ts';
import { EVERYTHING, liftQueue, lockQueue } from './shares.ts';

/** Nothing of the queue begins; what runs goes on to its end. What others wait for is led by one of them meanwhile. */
export async function pauseQueue(settling: Settling, name: string): Promise<void> {
  await lockQueue(settling.transaction, name);
  await setPaused(settling, name, 1);
  if (name !== EVERYTHING) await giveLeadsAway(settling, name);
}

export async function resumeQueue(settling: Settling, name: string): Promise<void> {
  await lockQueue(settling.transaction, name);
  await setPaused(settling, name, 0);
  if (name !== EVERYTHING) await liftQueue(settling.transaction, name);
}

export async function isQueuePaused(queries: Queries, name: string): Promise<boolean> {
  const row = await queries
    .selectFrom('job_queues')
    .select('paused')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.paused === 1;
}

async function setPaused({ transaction }: Settling, name: string, paused: 0 | 1): Promise<void> {
  await transaction.updateTable('job_queues').set({ paused }).where('name', '=', name).execute();
}

async function giveLeadsAway(settling: Settling, queue: string): Promise<void> {
  const followed = await settling.transaction
    .selectFrom('tasks as follower')
    .innerJoin('tasks as leader', 'leader.id', 'follower.follows')
    .innerJoin('job_queues', 'job_queues.name', 'follower.queue')
    .select(MOVABLE.map((column) => `leader.${column}` as const))
    .select('follower.id as follower')
    // So that the few that follow are read, and not all tasks.
    .where('follower.follows', 'is not', null)
    .where('leader.queue', '=', queue)
    .where('leader.state', 'in', ['waiting', 'ready', 'delayed'])
    .where('follower.ended_at', 'is', null)
    .where('job_queues.paused', '=', 0)
    .orderBy('follower.id')
    .execute();
  const given = new Set<number>();
  for (const { follower, ...leader } of followed) {
    if (given.has(leader.id)) continue;
    given.add(leader.id);
    await takeLead(settling, leader, follower);
  }
}

/** Nothing that loads the host begins; what runs goes on to its end. */
export async function pauseHost(settling: Settling, host: string): Promise<void> {
  await ensureHost(settling.transaction, host);
  await settling.transaction
    .updateTable('job_hosts')
    .set({ paused: 1 })
    .where('host', '=', host)
    .execute();
}

/** It is tried at once, whatever it did before, unless it asked itself to be left alone. */
export async function resumeHost({ transaction }: Settling, host: string): Promise<void> {
  await transaction
    .updateTable('job_hosts')
    .set({ paused: 0, failures: 0, open_until: 0 })
    .where('host', '=', host)
    .execute();
}
