import { z } from 'zod';
import type { Listed, ListQuery } from './list-query.ts';
import { type OwnRoute, ownRoute } from './own-route.ts';
import { type Actor, DONE } from './route.ts';

/** One run of a policy, as the node counts: by tasks and bytes. Times are milliseconds UTC. */
export interface Execution {
  readonly id: number;
  readonly policy: number;
  /** What it was called when this began. */
  readonly policyName: string;
  readonly isDryRun: boolean;
  readonly status: string;
  readonly trigger: string;
  readonly operator: string;
  /** Tasks: all, those that are not over, and the others by how they ended. */
  readonly total: number;
  readonly live: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly stopped: number;
  readonly bytes: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

export interface Task {
  readonly id: number;
  /** `copy-blob`, say. */
  readonly kind: string;
  /** The source repository. */
  readonly resource: string;
  /** What it is about at the destination, as far as it is one thing. */
  readonly to?: string | undefined;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly state: string;
  readonly hosts: readonly string[];
  /** Bytes: expected, moved in this attempt, and in those before it. */
  readonly cost: number;
  readonly progress: number;
  readonly bytes: number;
  readonly attempts: number;
  readonly note: string | undefined;
  readonly failure: string | undefined;
  readonly reason: string | undefined;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** What is paused and resumed: nothing of it begins, and what runs ends, to go on later. */
export type Paused = 'everything' | { readonly policy: number } | { readonly endpoint: string };

/** What these routes need of the node. @throws ManagementError */
export interface ReplicationControl {
  /**
   * The newest first. Fields: `id`, `policy`, `status`, `trigger`, `operator`, `createdAt`, `startedAt`, `endedAt`; not sorted
   * by `policy`, and BAD_REQUEST for a range of them.
   */
  executions(query: ListQuery): Promise<Listed<Execution>>;
  execution(id: number): Promise<Execution>;
  /** Fields: `id`, `kind`, `resource`, `state`, `failure`. */
  tasks(execution: number, query: ListQuery): Promise<Listed<Task>>;
  /**
   * Does its failed tasks again; how many. NOT_FOUND where its policy is gone, too; PRECONDITION where that is switched
   * off, and while another execution of it runs or waits.
   */
  retry(execution: number, actor: Actor): Promise<number>;
  pause(what: Paused, actor: Actor): Promise<void>;
  resume(what: Paused, actor: Actor): Promise<void>;
}

const EXECUTIONS = '/replication/executions';
const EXECUTION = `${EXECUTIONS}/{id}` as const;

const EXECUTION_FIELDS = ['id', 'policy', 'status', 'trigger', 'operator', 'startedAt', 'endedAt'];
const TASK_FIELDS = ['id', 'kind', 'resource', 'state', 'failure'];
const VERBS = { pause: 'Pauses', resume: 'Resumes' } as const;

const Count = z.int().min(0);
const Time = z.iso.datetime();
const ExecutionJson = z.object({
  id: z.int(),
  policy: z.int(),
  policyName: z.string(),
  isDryRun: z.boolean(),
  status: z.enum(['waiting', 'running', 'failed', 'stopped', 'succeeded']),
  isStopping: z.boolean(),
  trigger: z.enum(['manual', 'schedule', 'event', 'push']),
  operator: z.string(),
  total: Count.meta({ description: 'Tasks.' }),
  live: Count.meta({ description: 'Tasks that are not over.' }),
  succeeded: Count,
  failed: Count,
  stopped: Count,
  bytes: Count.meta({ description: 'Moved by its tasks.' }),
  scheduledFor: z.int().optional().meta({ description: 'Milliseconds UTC.' }),
  createdAt: Time,
  startedAt: Time.optional(),
  endedAt: Time.optional(),
});
const TaskJson = z.object({
  id: z.int(),
  execution: z.int(),
  kind: z.string(),
  key: z
    .string()
    .optional()
    .meta({ description: 'What it brings about, done once for all who want it.' }),
  follows: z.int().optional().meta({ description: 'The task that does it for this one.' }),
  resource: z.string().meta({ description: 'The source repository.' }),
  to: z.string().optional().meta({ description: 'The repository at the destination.' }),
  tag: z.string().optional(),
  digest: z.string().optional(),
  state: z.enum([
    'waiting',
    'ready',
    'delayed',
    'running',
    'stopping',
    'succeeded',
    'failed',
    'stopped',
  ]),
  hosts: z.array(z.string()),
  priority: z.int(),
  cost: Count.meta({ description: 'Bytes expected.' }),
  progress: Count.meta({
    description: 'Bytes moved in the attempt that is under way or was last.',
  }),
  bytes: Count.meta({ description: 'Bytes moved in all attempts that ended.' }),
  attempts: Count,
  runAt: Time.optional(),
  note: z.string().optional(),
  failure: z.string().optional(),
  reason: z.string().optional(),
  createdAt: Time,
  startedAt: Time.optional(),
  endedAt: Time.optional(),
});
const RetriedJson = z.object({ retried: Count.meta({ description: 'Tasks.' }) });

/** What Harbor's API has no words for, below `/api/portolan/v1`. */
export function replicationControlRoutes(control: ReplicationControl): readonly OwnRoute[] {
  return [
    listExecutions(control),
    getExecution(control),
    listTasks(control),
    retryExecution(control),
    ...switchRoutes(control, 'pause'),
    ...switchRoutes(control, 'resume'),
  ];
}

const listExecutions = (control: ReplicationControl): OwnRoute =>
  ownRoute({
    operation: 'listExecutions',
    described: {
      summary: 'Executions, the newest first.',
      answer: z.array(ExecutionJson),
      fields: EXECUTION_FIELDS,
      unsorted: ['policy'],
    },
    method: 'GET',
    path: EXECUTIONS,
    permission: { system: 'replication:list' },
    answers: [200, 400, 401, 403],
    async handle({ list }) {
      const { items, total } = await control.executions(list(fieldsOf(EXECUTION_FIELDS)));
      return { json: items.map(executionJson), total };
    },
  });

const getExecution = (control: ReplicationControl): OwnRoute =>
  ownRoute({
    operation: 'getExecution',
    described: { summary: 'One execution, by tasks and bytes.', answer: ExecutionJson },
    method: 'GET',
    path: EXECUTION,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: executionJson(await control.execution(id('id'))) }),
  });

const listTasks = (control: ReplicationControl): OwnRoute =>
  ownRoute({
    operation: 'listTasks',
    described: {
      summary: 'The tasks of an execution, the oldest first.',
      answer: z.array(TaskJson),
      fields: TASK_FIELDS,
    },
    method: 'GET',
    path: `${EXECUTION}/tasks`,
    permission: { system: 'replication:list' },
    answers: [200, 400, 401, 403, 404],
    async handle({ id, list }) {
      const query = list(fieldsOf(TASK_FIELDS));
      const { items, total } = await control.tasks(id('id'), query);
      return { json: items.map(taskJson), total };
    },
  });

const retryExecution = (control: ReplicationControl): OwnRoute =>
  ownRoute({
    operation: 'retryExecution',
    described: {
      summary:
        'Does the failed tasks of an execution again, and nothing else. Not while its policy is switched off, or another execution of it runs.',
      answer: RetriedJson,
    },
    method: 'POST',
    path: `${EXECUTION}/retry`,
    permission: { system: 'replication:create' },
    answers: [200, 401, 403, 404, 412],
    handle: async ({ id, actor }) => ({
      json: { retried: await control.retry(id('id'), actor) },
    }),
  });

/** Of everything, of a policy by its id, and of an endpoint by its name. */
function switchRoutes(control: ReplicationControl, verb: 'pause' | 'resume'): readonly OwnRoute[] {
  const act = (what: Paused, actor: Actor) =>
    verb === 'pause' ? control.pause(what, actor) : control.resume(what, actor);
  const common = { method: 'POST', answers: [200, 401, 403, 404] } as const;
  return [
    ownRoute({
      ...common,
      operation: `${verb}Replication`,
      described: { summary: `${VERBS[verb]} all of replication.` },
      path: `/replication/${verb}`,
      permission: { system: 'jobservice-monitor:stop' },
      async handle({ actor }) {
        await act('everything', actor);
        return DONE;
      },
    }),
    ownRoute({
      ...common,
      operation: `${verb}Policy`,
      described: { summary: `${VERBS[verb]} a policy.` },
      path: `/replication/policies/{id}/${verb}`,
      permission: { system: 'replication-policy:update' },
      async handle({ id, actor }) {
        await act({ policy: id('id') }, actor);
        return DONE;
      },
    }),
    ownRoute({
      ...common,
      operation: `${verb}Endpoint`,
      described: { summary: `${VERBS[verb]} all that loads an endpoint.` },
      path: `/replication/endpoints/{name}/${verb}`,
      permission: { system: 'registry:update' },
      async handle({ text, actor }) {
        await act({ endpoint: text('name') }, actor);
        return DONE;
      },
    }),
  ];
}

function fieldsOf(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

export const executionJson = (execution: Execution) => ExecutionJson.parse(timesIn(execution));

export const taskJson = (task: Task) => TaskJson.parse(timesIn(task));

/** Times as text; what is undefined is left out. */
function timesIn(row: Execution | Task): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]: [string, unknown]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? new Date(value).toISOString() : value,
    ]),
  );
}
