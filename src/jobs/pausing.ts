import type { Queries } from '../database/database.ts';
import { ANSWERS, ensureHost } from './hosts.ts';
import { giveLeadsAway } from './leading.ts';
import type { Settling } from './settling.ts';
import { EVERYTHING, ensureQueue, liftTurns } from './shares.ts';
import { hostsOf } from './task.ts';
import type { TaskRun } from './task-run.ts';

/** Nothing of the queue begins, and whoever works on it gives it back. What others wait for is led by one of them meanwhile. */
export async function pauseQueue(settling: Settling, name: string): Promise<void> {
  await ensureQueue(settling.transaction, name);
  await setPaused(settling, name, 1);
  if (name !== EVERYTHING) await giveLeadsAway(settling, name);
}

export async function resumeQueue(settling: Settling, name: string): Promise<void> {
  await setPaused(settling, name, 0);
  if (name !== EVERYTHING) await liftTurns(settling.transaction, name);
}

async function setPaused({ transaction }: Settling, name: string, paused: 0 | 1): Promise<void> {
  await transaction.updateTable('job_queues').set({ paused }).where('name', '=', name).execute();
}

/** Nothing that loads the host begins, and whoever works on such a thing gives it back. */
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
    .set({ paused: 0, ...ANSWERS })
    .where('host', '=', host)
    .execute();
}

/** Of what runs: whose queue is paused, or a host that it loads, or everything. */
export async function pausedAmong(
  queries: Queries,
  runs: readonly TaskRun[],
): Promise<readonly TaskRun[]> {
  const queues = await queries
    .selectFrom('job_queues')
    .select('name')
    .where('paused', '=', 1)
    .execute();
  const hosts = await queries
    .selectFrom('job_hosts')
    .select('host')
    .where('paused', '=', 1)
    .execute();
  const paused = new Set(queues.map(({ name }) => name));
  const closed = new Set(hosts.map(({ host }) => host));
  return runs.filter(
    ({ task }) =>
      paused.has(EVERYTHING) ||
      paused.has(task.queue) ||
      hostsOf(task.route).some((host) => closed.has(host)),
  );
}
