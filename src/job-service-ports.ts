/** The job service of Harbor's API, out of policies and jobs. Wiring, like `node.ts`. */
import { hostname } from 'node:os';
import { harborCronOf } from '../policies/replication-cron.ts';
import { EVERYTHING, type ListQuery } from './database/listing.ts';
import type { JobService } from './http/api/job-service.ts';
import { LIMITS } from './jobs/limits.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { replicationControlPorts } from './replication-control-ports.ts';
import { replicationPorts } from './replication-ports.ts';

/** @param now milliseconds UTC */
export function jobServicePorts(replicating: Replicating, now: () => number): JobService {
  const { policies, jobs, instance } = replicating;
  const replications = replicationPorts(replicating, now);
  const control = replicationControlPorts(replicating, now);
  const startedAt = now();
  const taskOf = async (id: number) => {
    const task = await jobs.tasks.get(id);
    if (task !== undefined) return task;
    throw new ManagementError('NOT_FOUND', `job ${id} not found`);
  };
  return {
    async schedules() {
      const { items } = await policies.list(EVERYTHING);
      return items.flatMap(({ id, rules: { enabled, trigger }, updatedAt }) => {
        if (!enabled || trigger === 'manual' || !('cron' in trigger)) return [];
        return [{ policy: id, cron: harborCronOf(trigger.cron), updatedAt }];
      });
    },
    async queue() {
      const { items, total } = await jobs.tasks.list({ ...inStates('ready', 'delayed'), limit: 1 });
      const waitingMs = items[0] === undefined ? 0 : now() - items[0].createdAt;
      const isPaused = await jobs.queues.isAllPaused();
      return { count: total, latencySeconds: Math.floor(waitingMs / 1000), isPaused };
    },
    pauseQueue: (actor) => control.pause('everything', actor),
    resumeQueue: (actor) => control.resume('everything', actor),
    async stopQueue(actor) {
      const live = { field: 'status', kind: 'any', values: ['waiting', 'running'] } as const;
      const { items } = await jobs.executions.list({ ...EVERYTHING, filters: [live] });
      for (const { id } of items) await replications.stop(id, actor);
    },
    pool: () => ({
      id: instance,
      pid: process.pid,
      host: hostname(),
      startedAt,
      seenAt: now(),
      concurrency: LIMITS.workers,
    }),
    async running() {
      const { items } = await jobs.tasks.list(inStates('running', 'stopping'));
      return items.map((task) => ({ task: task.id, startedAt: task.startedAt ?? task.createdAt }));
    },
    stop: async (id, actor) => replications.stop((await taskOf(id)).execution, actor),
    log: async (id) => replications.log((await taskOf(id)).execution, id),
  };
}

function inStates(...values: readonly string[]): ListQuery {
  return { ...EVERYTHING, filters: [{ field: 'state', kind: 'any', values }] };
}
