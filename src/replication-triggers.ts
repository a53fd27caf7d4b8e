/** What starts policies by itself: the clock, and what happens here. Wiring, like `node.ts`. */
import { nodeCronOf } from '../policies/replication-cron.ts';
import {
  type KeptPolicy,
  queueOf,
  type ReplicationPolicies,
} from './catalog/replication-policies.ts';
import type { Database, WriteTransaction } from './database/database.ts';
import { EVERYTHING } from './database/listing.ts';
import { createClock, type Schedule } from './jobs/clock.ts';
import type { NewExecution } from './jobs/enqueue.ts';
import { type Feed, type FeedLag, startFeed } from './jobs/feed.ts';
import type { Jobs } from './jobs/jobs.ts';
import {
  arrivalHappened,
  changeHappened,
  executionsAnew,
  executionsFor,
  type Happened,
} from './replication/events.ts';
import type { HostOf } from './replication/places.ts';
import type { Replication } from './replication/replication.ts';

interface TriggerParts {
  readonly database: Database;
  readonly policies: ReplicationPolicies;
  readonly replication: Replication;
  readonly jobs: Pick<Jobs, 'enqueue'>;
  readonly connect: (endpoint: string) => Promise<{ readonly host: string } | undefined>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

interface Triggers {
  start(): Promise<void>;
  /** What happened and was not looked at yet, by the event. */
  unread(event: 'push' | 'arrival'): Promise<FeedLag>;
  /** The policies, where the clock hears of each change. */
  following(policies: ReplicationPolicies): ReplicationPolicies;
}

/** The names by which their places are kept. */
const CONSUMERS = { push: 'replication', arrival: 'replication of arrivals' } as const;
const NOTHING: FeedLag = { items: 0, since: undefined };

export function createTriggers(
  opened: AsyncDisposableStack,
  { database, policies, replication, jobs, connect, now }: TriggerParts,
): Triggers {
  const due = async (queue: string, scheduledFor: number): Promise<void> => {
    const policy = (await everyPolicy(policies)).find(({ id }) => queueOf(id) === queue);
    if (policy?.rules.enabled !== true) return;
    await replication.start(policy, { trigger: 'schedule', operator: 'schedule', scheduledFor });
  };
  const clock = opened.use(createClock({ database, now, due }));
  const reschedule = async (): Promise<void> => clock.set(schedulesOf(await everyPolicy(policies)));
  const hostOf: HostOf = async (endpoint) => (await connect(endpoint))?.host;
  const plan = planOf({ policies, jobs, hostOf });
  let feed: Feed | undefined;
  return {
    async start() {
      await reschedule();
      feed = opened.use(
        startFeed({
          database,
          changes: [{ name: CONSUMERS.push, plan: (changes) => plan(changes.map(changeHappened)) }],
          arrivals: [
            {
              name: CONSUMERS.arrival,
              plan: (items) => plan(items.map(arrivalHappened)),
              planAnew: async () =>
                enqueueing(jobs, executionsAnew(await everyPolicy(policies), 'arrival')),
            },
          ],
        }),
      );
    },
    unread: async (event) => (await feed?.lag(CONSUMERS[event])) ?? NOTHING,
    following: (followed) => ({
      ...followed,
      async create(...content) {
        const created = await followed.create(...content);
        await reschedule();
        return created;
      },
      async update(...content) {
        await followed.update(...content);
        await reschedule();
      },
      async remove(...content) {
        await followed.remove(...content);
        await reschedule();
      },
    }),
  };
}

async function everyPolicy({ list }: Pick<ReplicationPolicies, 'list'>) {
  return (await list(EVERYTHING)).items;
}

/** Executions for what happened, by the policies as they are. */
function planOf({
  policies,
  jobs,
  hostOf,
}: Pick<TriggerParts, 'policies' | 'jobs'> & { readonly hostOf: HostOf }) {
  return async (events: readonly Happened[]) => {
    // Once for each endpoint; one that cannot be connected is what its tasks say.
    const hosts = new Map<string, Promise<string | undefined>>();
    const known: HostOf = (endpoint) => {
      const host = hosts.get(endpoint) ?? hostOf(endpoint).catch(() => undefined);
      hosts.set(endpoint, host);
      return host;
    };
    return enqueueing(jobs, await executionsFor(await everyPolicy(policies), events, known));
  };
}

function enqueueing({ enqueue }: Pick<Jobs, 'enqueue'>, executions: readonly NewExecution[]) {
  if (executions.length === 0) return undefined;
  return async (transaction: WriteTransaction): Promise<void> => {
    for (const execution of executions) await enqueue(transaction, execution);
  };
}

function schedulesOf(policies: readonly KeptPolicy[]): readonly Schedule[] {
  return policies.flatMap(({ id, rules: { trigger, enabled } }) => {
    if (typeof trigger !== 'object' || !('cron' in trigger) || !enabled) return [];
    const { cron, timeZone } = trigger;
    return [{ queue: queueOf(id), cron, timeZone, expressions: nodeCronOf(cron) }];
  });
}
