import type { Listed, ListQuery } from './list-query.ts';
import { type ApiRoute, DONE, route } from './route.ts';

/** One run of a policy, as the node counts: by tasks and bytes. Times are milliseconds UTC. */
interface Execution {
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

interface Task {
  readonly id: number;
  /** `copy-blob`, say. */
  readonly kind: string;
  /** The source repository. */
  readonly resource: string;
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
type Paused = 'everything' | { readonly policy: number } | { readonly endpoint: string };

/** What these routes need of the node. @throws ManagementError */
export interface ReplicationControl {
  /** The newest first. Fields: `id`, `policy`, `status`, `trigger`, `operator`, `createdAt`, `startedAt`, `endedAt`. */
  executions(query: ListQuery): Promise<Listed<Execution>>;
  execution(id: number): Promise<Execution>;
  /** Fields: `id`, `kind`, `resource`, `state`, `failure`. */
  tasks(execution: number, query: ListQuery): Promise<Listed<Task>>;
  /** Does its failed tasks again; how many. */
  retry(execution: number): Promise<number>;
  pause(what: Paused): Promise<void>;
  resume(what: Paused): Promise<void>;
}

const EXECUTIONS = '/replication/executions';
const EXECUTION = `${EXECUTIONS}/{id}` as const;

/** What Harbor's API has no words for, below `/api/portolan/v1`. */
export function replicationControlRoutes(control: ReplicationControl): readonly ApiRoute[] {
  return [
    listExecutions(control),
    getExecution(control),
    listTasks(control),
    retryExecution(control),
    ...switchRoutes(control, 'pause'),
    ...switchRoutes(control, 'resume'),
  ];
}

const listExecutions = (control: ReplicationControl): ApiRoute =>
  route({
    operation: 'listExecutions',
    method: 'GET',
    path: EXECUTIONS,
    permission: { system: 'replication:list' },
    answers: [200, 400, 401, 403],
    async handle({ list }) {
      const names = ['id', 'policy', 'status', 'trigger', 'operator', 'startedAt', 'endedAt'];
      const { items, total } = await control.executions(list(fieldsOf(names)));
      return { json: items.map(timesIn), total };
    },
  });

const getExecution = (control: ReplicationControl): ApiRoute =>
  route({
    operation: 'getExecution',
    method: 'GET',
    path: EXECUTION,
    permission: { system: 'replication:read' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: timesIn(await control.execution(id('id'))) }),
  });

const listTasks = (control: ReplicationControl): ApiRoute =>
  route({
    operation: 'listTasks',
    method: 'GET',
    path: `${EXECUTION}/tasks`,
    permission: { system: 'replication:list' },
    answers: [200, 400, 401, 403, 404],
    async handle({ id, list }) {
      const query = list(fieldsOf(['id', 'kind', 'resource', 'state', 'failure']));
      const { items, total } = await control.tasks(id('id'), query);
      return { json: items.map(timesIn), total };
    },
  });

const retryExecution = (control: ReplicationControl): ApiRoute =>
  route({
    operation: 'retryExecution',
    method: 'POST',
    path: `${EXECUTION}/retry`,
    permission: { system: 'replication:create' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ json: { retried: await control.retry(id('id')) } }),
  });

/** Of everything, of a policy by its id, and of an endpoint by its name. */
function switchRoutes(control: ReplicationControl, verb: 'pause' | 'resume'): readonly ApiRoute[] {
  const act = (what: Paused) => (verb === 'pause' ? control.pause(what) : control.resume(what));
  const common = { method: 'POST', answers: [200, 401, 403, 404] } as const;
  return [
    route({
      ...common,
      operation: `${verb}Replication`,
      path: `/replication/${verb}`,
      permission: { system: 'jobservice-monitor:stop' },
      async handle() {
        await act('everything');
        return DONE;
      },
    }),
    route({
      ...common,
      operation: `${verb}Policy`,
      path: `/replication/policies/{id}/${verb}`,
      permission: { system: 'replication-policy:update' },
      async handle({ id }) {
        await act({ policy: id('id') });
        return DONE;
      },
    }),
    route({
      ...common,
      operation: `${verb}Endpoint`,
      path: `/replication/endpoints/{name}/${verb}`,
      permission: { system: 'registry:update' },
      async handle({ text }) {
        await act({ endpoint: text('name') });
        return DONE;
      },
    }),
  ];
}

function fieldsOf(names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

/** Times as text; what is undefined is left out. */
function timesIn(row: Execution | Task): object {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]: [string, unknown]) => [
      name,
      name.endsWith('At') && typeof value === 'number' ? new Date(value).toISOString() : value,
    ]),
  );
}
