/** Jobs and replication, wired. Like `node.ts`, of which it is a part, it knows all of it. */
import { rivalsFor } from '../policies/replication-conflicts.ts';
import { registriesIn } from './catalog/policy-endpoints.ts';
import { createReplicas } from './catalog/replicas.ts';
import {
  createReplicationPolicies,
  type ReplicationPolicies,
} from './catalog/replication-policies.ts';
import type { Config } from './config/load.ts';
import type { Database } from './database/database.ts';
import { EVERYTHING } from './database/listing.ts';
import type { NewExecution } from './jobs/enqueue.ts';
import { everyTask } from './jobs/every-task.ts';
import { RETRY_RULES } from './jobs/failing.ts';
import type { FeedLag } from './jobs/feed.ts';
import { createJobs, type Jobs } from './jobs/jobs.ts';
import type { JobLimits } from './jobs/limits.ts';
import type { Endpoints } from './proxy/endpoints.ts';
import { failureOf } from './replication/failures.ts';
import { createForwarding, type Forwarding } from './replication/forward.ts';
import type { LocalParts } from './replication/local-side.ts';
import type { TasksOf } from './replication/mirror.ts';
import {
  type AlongStart,
  createReplication,
  type Replication,
  replicationHandlers,
} from './replication/replication.ts';
import { createRuns, type Runs } from './replication/run.ts';
import { createTriggers } from './replication-triggers.ts';
import type { Link } from './transfer/shaping.ts';

export interface ReplicatingParts {
  readonly database: Database;
  readonly local: Omit<LocalParts, 'replicas'>;
  readonly endpoints: Pick<Endpoints, 'find'>;
  /** For all that is replicated. */
  readonly link: Link;
  readonly config: Pick<Config, 'jobs' | 'declarations'>;
  /** Where they are others than the configuration's. */
  readonly limits?: Partial<JobLimits> | undefined;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** Tasks of one push whose reasons its client is told. */
const MOST_REASONS = 100;

export interface Replicating {
  readonly policies: ReplicationPolicies;
  readonly replication: Replication;
  /** Pushes that wait for policies. */
  readonly forwarding: Forwarding;
  readonly jobs: Jobs;
  /** The same at each start of this node, and no other's. */
  readonly instance: string;
  /** What happened here and was not looked at yet by the policies that such an event triggers. */
  unread(event: 'push' | 'arrival'): Promise<FeedLag>;
  /** Where the endpoint is: `host` or `host:port`. */
  hostOf(endpoint: string): Promise<string | undefined>;
  /** Tasks that a former process left go on, schedules run, and what happens here triggers what it should. */
  start(): Promise<void>;
}

export async function openReplicating(
  opened: AsyncDisposableStack,
  { database, local, endpoints, link, config, limits = {}, now }: ReplicatingParts,
): Promise<Replicating> {
  const policies = createReplicationPolicies({ database, now });
  await policies.declare(config.declarations.replication);
  const replicas = createReplicas({ database, now });
  const connect = (name: string) => endpoints.find(name);
  const runs = createRuns({
    local: { ...local, replicas },
    connect,
    link,
    now,
    facts: async (execution) => (await jobs.executions.get(execution))?.facts,
    rivals: (asked) => rivalsAmong(policies, database, asked),
  });
  const { id: instance } = await database.read
    .selectFrom('instance')
    .select('id')
    .executeTakeFirstOrThrow();
  const jobs = openJobs(opened, { database, runs, instance, config: config.jobs, limits, now });
  const enqueue = (execution: NewExecution, along?: AlongStart) =>
    database.write(async (transaction) => {
      const added = await jobs.enqueue(transaction, execution);
      if (added !== undefined) {
        await along?.({ id: added.id, facts: execution.facts ?? {} })(transaction);
      }
      return added;
    });
  const replication = createReplication({
    connect,
    enqueue,
    isRunning: (queue) => isRunning(jobs, queue),
  });
  const triggers = createTriggers(opened, { database, policies, replication, jobs, connect, now });
  return {
    policies: triggers.following(policies),
    replication,
    forwarding: createForwarding({
      policies: async () => (await policies.list(EVERYTHING)).items,
      hostOf: async (endpoint) => (await connect(endpoint))?.host,
      enqueue,
      ended: (execution, options) => jobs.ended(execution, options),
      stop: (execution) => jobs.stop(execution),
      reasons: (execution) => reasonsOf(jobs, execution),
    }),
    jobs,
    instance,
    unread: (event) => triggers.unread(event),
    hostOf: async (endpoint) => (await connect(endpoint))?.host,
    async start() {
      jobs.start();
      await triggers.start();
    },
  };
}

interface JobsParts extends Pick<ReplicatingParts, 'database' | 'limits' | 'now'> {
  readonly runs: Runs;
  readonly instance: string;
  readonly config: Config['jobs'];
}

function openJobs(
  opened: AsyncDisposableStack,
  { database, runs, instance, config, limits, now }: JobsParts,
): Jobs {
  const tasksOf: TasksOf = (execution, kind) => everyTask(jobs, execution, { kind });
  const jobs: Jobs = opened.use(
    createJobs({
      database,
      handlers: replicationHandlers({ runs, now, tasksOf }),
      classify: failureOf,
      now,
      random: Math.random,
      instance,
      limits: { ...limitsOf(config), ...limits },
    }),
  );
  return jobs;
}

async function rivalsAmong(
  policies: Pick<ReplicationPolicies, 'list'>,
  { read }: Pick<Database, 'read'>,
  asked: Parameters<typeof rivalsFor>[0],
): Promise<readonly string[]> {
  const [{ items }, registries] = await Promise.all([
    policies.list(EVERYTHING),
    registriesIn(read),
  ]);
  const all = items.map(({ name, rules }) => ({ name, policy: rules }));
  return rivalsFor(asked, all, (endpoint) => registries.get(endpoint) ?? endpoint);
}

function limitsOf({ keepExecutions, keepFor, giveUpAfter }: Config['jobs']) {
  return {
    retention: { newest: keepExecutions, maxAgeMs: keepFor },
    retry: { ...RETRY_RULES, patienceMs: giveUpAfter },
  };
}

async function isRunning({ executions }: Pick<Jobs, 'executions'>, queue: string) {
  const filters = [
    { field: 'queue', kind: 'exact', value: queue },
    { field: 'exclusive', kind: 'exact', value: 'true' },
    { field: 'status', kind: 'any', values: ['waiting', 'running'] },
  ] as const;
  const { total } = await executions.list({ filters, sort: [], offset: 0, limit: 1 });
  return total > 0;
}

/** The same reason once. */
async function reasonsOf({ tasks }: Pick<Jobs, 'tasks'>, execution: number) {
  const filters = [{ field: 'execution', kind: 'exact', value: String(execution) }] as const;
  const { items } = await tasks.list({ filters, sort: [], offset: 0, limit: MOST_REASONS });
  return [...new Set(items.flatMap(({ reason }) => (reason === undefined ? [] : [reason])))];
}
