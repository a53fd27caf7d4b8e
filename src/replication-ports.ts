/** What the API asks of replication, out of policies and jobs. Wiring, like `node.ts`. */
import { z } from 'zod';
import { queueOf } from './catalog/replication-policies.ts';
import type { Filter, ListQuery } from './database/listing.ts';
import type { Replications } from './http/api/replications.ts';
import type { Execution } from './jobs/executions.ts';
import type { Task } from './jobs/tasks.ts';
import { ManagementError } from './oci/management-error.ts';
import type { Replicating } from './replicating.ts';
import { audited } from './replication-audit.ts';

/** Only executions of policies have queues of that name. */
const QUEUE = 'replication:';

/** @param now milliseconds UTC */
export function replicationPorts(
  { policies, replication, jobs }: Replicating,
  now: () => number,
): Replications {
  const shown = async (executions: readonly Execution[]) => {
    const counts = await jobs.resources.count(executions.map(({ id }) => id));
    return executions.map((execution) => ({
      id: execution.id,
      policy: policyIn(execution.queue),
      status: execution.status,
      trigger: execution.trigger,
      counts: counts.get(execution.id) ?? NOTHING,
      startedAt: execution.startedAt ?? execution.createdAt,
      endedAt: execution.endedAt,
    }));
  };
  return {
    async executions(query) {
      const { items, total } = await jobs.executions.list(queued(query));
      return { items: await shown(items), total };
    },
    async execution(id) {
      const [execution] = await shown([await executionOf(jobs, id)]);
      if (execution !== undefined) return execution;
      throw new ManagementError('NOT_FOUND', `execution ${id} not found`);
    },
    async start(policy, actor) {
      const kept = await policies.get(policy);
      const started = await replication.start(kept, {
        trigger: 'manual',
        operator: actor.name,
        along: (execution) => audited({ actor, at: now() }, { execution, operation: 'start' }),
      });
      if (started !== undefined) return started;
      throw new ManagementError('CONFLICT', `policy ${kept.name} was started at that time`);
    },
    async stop(id, actor) {
      const execution = await executionOf(jobs, id);
      await jobs.stop(id, audited({ actor, at: now() }, { execution, operation: 'stop' }));
    },
    // None of an execution that there is not: the contract has no other word for that.
    async tasks(execution, query) {
      const { items, total } = await jobs.resources.list(execution, { ...query, telling: TELLING });
      return { items: items.map(task), total };
    },
    async log(execution, id) {
      const resource = await jobs.resources.get(execution, id);
      if (resource === undefined) throw new ManagementError('NOT_FOUND', `task ${id} not found`);
      const filters = [
        { field: 'execution', kind: 'exact', value: String(execution) },
        { field: 'resource', kind: 'exact', value: resource.resource },
      ] as const;
      const { items } = await jobs.tasks.list({ filters, sort: [], offset: 0, limit: MOST_LINES });
      return items.map((each) => `${lineOf(each)}\n`).join('');
    },
  };
}

/** One of a policy. @throws ManagementError NOT_FOUND */
export async function executionOf(
  { executions }: Pick<Replicating['jobs'], 'executions'>,
  id: number,
): Promise<Execution> {
  const execution = await executions.get(id);
  if (execution?.queue.startsWith(QUEUE) === true) return execution;
  throw new ManagementError('NOT_FOUND', `execution ${id} not found`);
}

export function policyIn(queue: string): number {
  return Number(queue.slice(QUEUE.length));
}

const NOTHING = { waiting: 0, running: 0, failed: 0, stopped: 0, succeeded: 0 } as const;

/** By their queue, which is the policy's. @throws ManagementError BAD_REQUEST for a range of policies, and what is none's id */
export function queued(query: ListQuery): ListQuery {
  const own = { field: 'kind', kind: 'exact', value: 'replication' } as const;
  const filters = query.filters.map((filter) =>
    filter.field === 'policy' ? queuesIn(filter) : filter,
  );
  return { ...query, filters: [...filters, own] };
}

function queuesIn(filter: Filter): Filter {
  if (filter.kind === 'range') {
    const message = 'policies are filtered by their ids, and not by a range of them';
    throw new ManagementError('BAD_REQUEST', message);
  }
  if ('values' in filter) return { ...filter, field: 'queue', values: filter.values.map(queueIn) };
  // A part of an id is none: to what is a number, `~` says nothing.
  return { field: 'queue', kind: 'exact', value: queueIn(filter.value) };
}

function queueIn(policy: string): string {
  if (/^\d{1,15}$/.test(policy)) return queueOf(Number(policy));
  throw new ManagementError('BAD_REQUEST', `${JSON.stringify(policy)} is no policy's id`);
}

/** Of a log: what comes after them is in the tasks themselves. */
const MOST_LINES = 10_000;

function lineOf(done: Task): string {
  const at = new Date(done.endedAt ?? done.startedAt ?? done.createdAt).toISOString();
  const { tag, digest, to } = Named.parse(done.payload);
  const what = [done.kind, to, tag ?? digest].filter((part) => part !== undefined).join(' ');
  const why = done.reason ?? done.note;
  return `${at} ${what}: ${done.state}${why === undefined ? '' : `, ${why}`}`;
}

/** What a task is about, as far as its payload says so. */
export const Named = z.object({
  tag: z.string().optional(),
  digest: z.string().optional(),
  to: z.string().optional(),
});

/** What says where a repository goes; one that only loses tags is deleted from. */
const COPY = 'sync-ref';
const DELETION = 'delete-tag';
const TELLING = [COPY, DELETION];

function task({ resource, told, ...rest }: Shown) {
  const { to = '' } = Named.parse(told.get(COPY) ?? told.get(DELETION) ?? {});
  const isDeletion = told.has(DELETION) && !told.has(COPY);
  return { ...rest, source: resource, destination: to, isDeletion };
}

type Shown = Awaited<ReturnType<Replicating['jobs']['resources']['list']>>['items'][number];
