/** What happened here, for the policies that it triggers: each copies what the event is about, and no more. */
import { LOCAL } from '../../policies/replication.ts';
import { isCompanion } from '../../policies/replication-companions.ts';
import {
  selectsRepository,
  selectsTag,
  selectsUntagged,
} from '../../policies/replication-selection.ts';
import { type KeptPolicy, queueOf } from '../catalog/replication-policies.ts';
import type { NewExecution } from '../jobs/enqueue.ts';
import type { FedArrival, FedChange } from '../jobs/feed.ts';
import type { NewTask } from '../jobs/task.ts';
import { expandTask, referenceTask, repositoryTask } from './expand.ts';
import { deletionTask } from './mirror.ts';
import { type HostOf, placesOf } from './places.ts';
import { toldOf } from './replication.ts';

/** What an outbox tells, whichever it is. */
export interface Happened {
  readonly event: 'push' | 'arrival';
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: FedChange['digest'];
  /** Milliseconds UTC. */
  readonly at: number;
  readonly isDeletion: boolean;
  /** It names another manifest as its subject, and goes where that went. */
  readonly isReferrer: boolean;
}

export function changeHappened(change: FedChange): Happened {
  return {
    event: 'push',
    repository: change.repository,
    tag: change.tag ?? undefined,
    digest: change.digest,
    at: change.at,
    isDeletion: change.kind.endsWith('-deleted'),
    isReferrer: change.subject !== null,
  };
}

export function arrivalHappened({ repository, tag, digest, at }: FedArrival): Happened {
  const rest = { isDeletion: false, isReferrer: false } as const;
  return { event: 'arrival', repository, tag: tag ?? undefined, digest, at, ...rest };
}

/** The executions that these events start, one for each policy that is about any of them. */
export async function executionsFor(
  policies: readonly KeptPolicy[],
  events: readonly Happened[],
  hostOf: HostOf,
): Promise<readonly NewExecution[]> {
  const executions: NewExecution[] = [];
  for (const policy of policies) {
    const about = events.filter((event) => isAbout(policy, event));
    const tasks: NewTask[] = [];
    for (const event of about) tasks.push(...(await tasksFor(policy, event, hostOf)));
    if (tasks.length === 0) continue;
    executions.push({
      kind: 'replication',
      queue: queueOf(policy.id),
      trigger: 'event',
      operator: 'event',
      facts: toldOf(policy),
      tasks,
    });
  }
  return executions;
}

/** In place of events that nobody knows any more: all that the policies select which such an event triggers. */
export function executionsAnew(
  policies: readonly KeptPolicy[],
  event: Happened['event'],
): readonly NewExecution[] {
  return policies
    .filter(({ rules }) => isTriggeredBy(event, rules))
    .map((policy) => ({
      kind: 'replication',
      queue: queueOf(policy.id),
      trigger: 'event',
      operator: 'event',
      exclusive: true,
      facts: toldOf(policy),
      tasks: [expandTask(policy.rules, undefined)],
    }));
}

function isTriggeredBy(event: Happened['event'], rules: KeptPolicy['rules']): boolean {
  const { trigger, source, enabled } = rules;
  const isTriggered = typeof trigger === 'object' && 'event' in trigger && enabled;
  return isTriggered && trigger.event === event && source === LOCAL;
}

function isAbout({ rules, createdAt }: KeptPolicy, event: Happened): boolean {
  if (event.at < createdAt) return false;
  if (!isTriggeredBy(event.event, rules)) return false;
  if (!selectsRepository(event.repository, rules.repositories)) return false;
  if (event.isDeletion)
    return rules.delete && event.tag !== undefined && selectsTag(event.tag, rules.tags);
  // What belongs to something goes where that went, whatever it is called.
  if (event.tag !== undefined && isCompanion(event.tag)) return rules.referrers;
  if (event.tag !== undefined) return selectsTag(event.tag, rules.tags);
  return event.isReferrer ? rules.referrers : selectsUntagged(rules.tags);
}

async function tasksFor(
  { id, rules }: KeptPolicy,
  { repository, tag, digest, isDeletion }: Happened,
  hostOf: HostOf,
): Promise<readonly NewTask[]> {
  const asker = { policy: id, rules, isDryRun: false } as const;
  const tasks: NewTask[] = [];
  const { places, refused } = await placesOf(rules, repository, hostOf);
  // Nobody waits for an answer: a task that finds no name either shows it, and fails for that reason.
  if (refused.length > 0 && !isDeletion) {
    tasks.push(repositoryTask(asker, { host: undefined }, repository));
  }
  for (const { place, side } of places) {
    if (!isDeletion) {
      tasks.push(referenceTask(asker, { host: undefined }, { ...place, tag, digest }, side));
    } else if (tag !== undefined) {
      tasks.push(deletionTask(asker, { ...place, tag, isMirrored: false }, side));
    }
  }
  return tasks;
}
