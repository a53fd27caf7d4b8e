/** How far replication is behind, out of policies and jobs: for the API, and for metrics. Wiring, like `node.ts`. */
import { LOCAL } from '../policies/replication.ts';
import { type KeptPolicy, queueOf } from './catalog/replication-policies.ts';
import type { ReplicationLag } from './http/api/replication-lag.ts';
import type { FeedLag } from './jobs/feed.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Replicating } from './replicating.ts';
import { ExecutionFacts } from './replication/run.ts';
import type { JobFacts } from './telemetry/job-metrics.ts';

/** Of an artifact there is one of these at a time, from when it is known to be due until it is there or gone. */
const OF_ARTIFACTS = ['sync-ref', 'put-manifests', 'delete-tag'];
const MOST_EXECUTIONS = 1000;
const NOTHING: FeedLag = { items: 0, since: undefined };

export function replicationLagPorts(
  { policies, jobs, unread }: Pick<Replicating, 'policies' | 'jobs' | 'unread'>,
  now: () => number,
): ReplicationLag {
  return {
    async of(id) {
      const policy = await policies.get(id);
      const event = eventOf(policy);
      const waiting = event === undefined ? NOTHING : await unread(event);
      const active = await activeOf(jobs, policy);
      const { kinds } = await jobs.backlog(active.map((execution) => execution.id));
      const lastSuccessAt = await lastSuccessOf(jobs, policy);
      const oldest = [waiting.since, ...active.map(({ createdAt }) => createdAt)].filter(
        (at) => at !== undefined,
      );
      const at = now();
      const since = event === undefined ? lastSuccessAt : Math.min(at, ...oldest);
      return {
        artifacts: sum(OF_ARTIFACTS.map((kind) => kinds.get(kind)?.tasks)) + waiting.items,
        unread: waiting.items,
        bytes: kinds.get('copy-blob')?.bytes ?? 0,
        tasks: sum([...kinds.values()].map(({ tasks }) => tasks)),
        seconds: since === undefined ? undefined : Math.max(0, at - since) / 1000,
        lastSuccessAt,
      };
    },
  };
}

/** What a scrape reads. */
export async function jobFacts(
  { jobs, unread }: Pick<Replicating, 'jobs' | 'unread'>,
  now: () => number,
): Promise<JobFacts> {
  const [push, arrival] = [await unread('push'), await unread('arrival')];
  const since = [push.since, arrival.since].filter((at) => at !== undefined);
  return {
    ...(await jobs.load()),
    now: now(),
    unread: {
      items: push.items + arrival.items,
      since: since.length === 0 ? undefined : Math.min(...since),
    },
  };
}

function eventOf({ rules: { trigger, source } }: KeptPolicy): 'push' | 'arrival' | undefined {
  const isTriggered = source === LOCAL && typeof trigger === 'object' && 'event' in trigger;
  return isTriggered ? trigger.event : undefined;
}

async function activeOf({ executions }: Jobs, { id }: KeptPolicy) {
  const filters = [
    { field: 'queue', kind: 'exact', value: queueOf(id) },
    { field: 'status', kind: 'any', values: ['waiting', 'running'] },
  ] as const;
  const { items } = await executions.list({
    filters,
    sort: [{ field: 'id', descending: false }],
    offset: 0,
    limit: MOST_EXECUTIONS,
  });
  return items.filter(({ facts }) => !ExecutionFacts.parse(facts).isDryRun);
}

/** Of runs of all that the policy selects: the others are about single events, or only look. */
async function lastSuccessOf({ executions }: Jobs, { id }: KeptPolicy) {
  const filters = [
    { field: 'queue', kind: 'exact', value: queueOf(id) },
    { field: 'status', kind: 'exact', value: 'succeeded' },
    { field: 'exclusive', kind: 'exact', value: 'true' },
  ] as const;
  const { items } = await executions.list({
    filters,
    sort: [{ field: 'id', descending: true }],
    offset: 0,
    limit: 1,
  });
  return items[0]?.startedAt;
}

function sum(counts: readonly (number | undefined)[]): number {
  return counts.reduce<number>((total, count = 0) => total + count, 0);
}
