import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';

type Status = 'waiting' | 'running' | 'failed' | 'stopped' | 'succeeded';

/** One run of a policy. */
interface Execution {
  readonly id: number;
  readonly policy: number;
  readonly status: Status;
  readonly trigger: 'manual' | 'schedule' | 'event' | 'push';
  readonly counts: Readonly<Record<Status, number>>;
  /** Milliseconds UTC. */
  readonly startedAt: number;
  readonly endedAt: number | undefined;
}

/** What it does for one repository. */
interface ExecutionTask {
  readonly id: number;
  readonly execution: number;
  readonly source: string;
  /** Of several destinations one; empty where nothing goes anywhere. */
  readonly destination: string;
  /** Whether nothing is copied, and tags are deleted. */
  readonly isDeletion: boolean;
  readonly status: Status;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** What these routes need of the node. @throws ManagementError */
export interface Replications {
  /** The newest first. Fields: `id`, `policy`, `status`, `trigger`, `startedAt`, `endedAt`. */
  executions(query: ListQuery): Promise<Listed<Execution>>;
  execution(id: number): Promise<Execution>;
  start(policy: number, actor: Actor): Promise<{ readonly id: number }>;
  /** What is over stays as it is. */
  stop(execution: number, actor: Actor): Promise<void>;
  /** None where there is no such execution. */
  tasks(
    execution: number,
    query: Pick<ListQuery, 'offset' | 'limit'> & { readonly status: Status | undefined },
  ): Promise<Listed<ExecutionTask>>;
  /** Lines for people. */
  log(execution: number, task: number): Promise<string>;
}

const EXECUTIONS = '/replication/executions';
const EXECUTION = `${EXECUTIONS}/{id}` as const;

const Start = z.object({ policy_id: z.int() });

const FIELDS = {
  id: 'id',
  policy_id: 'policy',
  trigger: 'trigger',
  start_time: 'startedAt',
  end_time: 'endedAt',
};

/** As Harbor's API calls them. */
const STATUSES = {
  waiting: 'InProgress',
  running: 'InProgress',
  failed: 'Failed',
  stopped: 'Stopped',
  succeeded: 'Succeed',
} as const;
const TASK_STATUSES = { ...STATUSES, waiting: 'Pending' } as const;
const TRIGGERS = {
  manual: 'manual',
  schedule: 'scheduled',
  event: 'event_based',
  push: 'event_based',
} as const;

/** Runs of replication policies. */
export function replicationRoutes(replications: Replications): readonly ApiRoute[] {
  return [
    listExecutions(replications),
    startReplication(replications),
    getExecution(replications),
    stopReplication(replications),
    listTasks(replications),
    getLog(replications),
  ];
}

const listExecutions = (replications: Replications): ApiRoute =>
  route({
    operation: 'listReplicationExecutions',
    method: 'GET',
    path: EXECUTIONS,
    permission: { system: 'replication:list' },
    answers: [200, 401, 403],
    async handle({ list, query }) {
      const asked = list(FIELDS);
      const filters = [
        ...asked.filters,
        ...exactly('policy', query('policy_id')),
        ...anyOf('status', query('status'), STATUSES),
        ...anyOf('trigger', query('trigger'), TRIGGERS),
      ];
      const { items, total } = await replications.executions({ ...asked, filters });
      return { json: items.map(executionJson), total };
    },
  });

const startReplication = (replications: Replications): ApiRoute =>
  route({
    operation: 'startReplication',
    method: 'POST',
    path: EXECUTIONS,
    permission: { system: 'replication:create' },
    answers: [201, 400, 401, 403],
    async handle({ json, actor }) {
      const { policy_id } = await json(Start);
      const { id } = await replications.start(policy_id, actor);
      return { location: `${EXECUTIONS}/${id}` };
    },
  });

const getExecution = (replications: Replications): ApiRoute =>
  route({
    operation: 'getReplicationExecution',
    method: 'GET',
    path: EXECUTION,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: executionJson(await replications.execution(id('id'))) }),
  });

const stopReplication = (replications: Replications): ApiRoute =>
  route({
    operation: 'stopReplication',
    method: 'PUT',
    path: EXECUTION,
    permission: { system: 'replication:create' },
    answers: [200, 401, 403, 404],
    async handle({ id, actor }) {
      await replications.stop(id('id'), actor);
      return DONE;
    },
  });

const listTasks = (replications: Replications): ApiRoute =>
  route({
    operation: 'listReplicationTasks',
    method: 'GET',
    path: `${EXECUTION}/tasks`,
    permission: { system: 'replication:list' },
    answers: [200, 401, 403],
    async handle({ id, list, query }) {
      const { offset, limit } = list({});
      const wanted = query('status');
      const status = wanted === undefined ? undefined : taskStatusOf(wanted);
      const { items, total } = await replications.tasks(id('id'), { offset, limit, status });
      return { json: items.map(taskJson), total };
    },
  });

const getLog = (replications: Replications): ApiRoute =>
  route({
    operation: 'getReplicationLog',
    method: 'GET',
    path: `${EXECUTION}/tasks/{task_id}/log`,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ text: await replications.log(id('id'), id('task_id')) }),
  });

function exactly(field: string, value: string | undefined) {
  return value === undefined ? [] : [{ field, kind: 'exact', value } as const];
}

/** Ours, of one of theirs. Nothing is of a status that there is not. */
function anyOf(field: string, value: string | undefined, theirs: Readonly<Record<string, string>>) {
  if (value === undefined) return [];
  const values = Object.entries(theirs).flatMap(([ours, text]) =>
    text.toLowerCase() === value.toLowerCase() ? [ours] : [],
  );
  return [{ field, kind: 'any', values: values.length === 0 ? [value] : values } as const];
}

function taskStatusOf(value: string): Status {
  const statuses: readonly Status[] = ['waiting', 'running', 'failed', 'stopped', 'succeeded'];
  const status = statuses.find((each) => TASK_STATUSES[each].toLowerCase() === value.toLowerCase());
  if (status !== undefined) return status;
  throw new ManagementError('BAD_REQUEST', `there is no status ${value}`);
}

function executionJson({ counts, ...execution }: Execution): object {
  const { waiting, running, failed, stopped, succeeded } = counts;
  return {
    id: execution.id,
    policy_id: execution.policy,
    status: STATUSES[execution.status],
    trigger: TRIGGERS[execution.trigger],
    start_time: timeJson(execution.startedAt),
    ...(execution.endedAt === undefined ? {} : { end_time: timeJson(execution.endedAt) }),
    status_text: '',
    total: waiting + running + failed + stopped + succeeded,
    failed,
    succeed: succeeded,
    in_progress: waiting + running,
    stopped,
  };
}

function taskJson(task: ExecutionTask): object {
  return {
    id: task.id,
    execution_id: task.execution,
    status: TASK_STATUSES[task.status],
    job_id: String(task.id),
    operation: task.isDeletion ? 'deletion' : 'copy',
    resource_type: 'image',
    src_resource: task.source,
    dst_resource: task.destination,
    ...(task.startedAt === undefined ? {} : { start_time: timeJson(task.startedAt) }),
    ...(task.endedAt === undefined ? {} : { end_time: timeJson(task.endedAt) }),
  };
}
