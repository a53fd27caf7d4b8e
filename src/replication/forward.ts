/** Pushes that wait until a policy has copied them: the event trigger, with the write path waiting on it. */
import { LOCAL } from '../../policies/replication.ts';
import { selectsRepository, selectsTag } from '../../policies/replication-selection.ts';
import { type KeptPolicy, queueOf } from '../catalog/replication-policies.ts';
import type { NewExecution } from '../jobs/enqueue.ts';
import type { Execution } from '../jobs/executions.ts';
import type { NewTask } from '../jobs/task.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { referenceTask } from './expand.ts';
import { type HostOf, placesOf } from './places.ts';
import { toldOf } from './replication.ts';

/** A manifest that is here, and the tags that it shall have. */
export interface AwaitedPush {
  readonly repository: string;
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** Who pushes. */
  readonly operator: string;
}

export interface Forwarding {
  /** Whether a policy has pushes into the repository wait. */
  awaits(push: Pick<AwaitedPush, 'repository' | 'tags'>): Promise<boolean>;
  /**
   * Resolves once every destination of these policies has the manifest under its tags.
   *
   * @throws OciError UPSTREAM_UNAVAILABLE with the reason, UPSTREAM_TIMEOUT; the signal's reason
   */
  forward(push: AwaitedPush, options: { readonly signal: AbortSignal }): Promise<void>;
}

export interface ForwardingOptions {
  readonly policies: () => Promise<readonly KeptPolicy[]>;
  readonly hostOf: HostOf;
  readonly enqueue: (execution: NewExecution) => Promise<{ readonly id: number } | undefined>;
  readonly ended: (
    execution: number,
    options: { readonly signal: AbortSignal },
  ) => Promise<Pick<Execution, 'status'>>;
  readonly stop: (execution: number) => Promise<void>;
  /** Why tasks of an execution did not get on so far, for people. */
  readonly reasons: (execution: number) => Promise<readonly string[]>;
}

export function createForwarding(options: ForwardingOptions): Forwarding {
  const awaited = async ({ repository, tags }: Pick<AwaitedPush, 'repository' | 'tags'>) =>
    (await options.policies()).flatMap((policy) => {
      const selected = tags.filter((tag) => selectsTag(tag, policy.rules.tags));
      const waitMs = waitOf(policy, repository);
      return waitMs === undefined || selected.length === 0 ? [] : [{ policy, waitMs, selected }];
    });
  return {
    awaits: async (push) => (await awaited(push)).length > 0,
    async forward(push, { signal }) {
      const forwards = (await awaited(push)).map(({ policy, waitMs, selected }) =>
        forwardOne(options, policy, { push: { ...push, tags: selected }, waitMs, signal }),
      );
      await Promise.all(forwards);
    },
  };
}

/** Undefined where pushes into the repository do not wait for the policy. */
function waitOf({ rules }: KeptPolicy, repository: string): number | undefined {
  const { trigger, enabled, source } = rules;
  const isTriggered = enabled && source === LOCAL && typeof trigger === 'object';
  if (!isTriggered || !('event' in trigger) || trigger.event !== 'push') return undefined;
  return selectsRepository(repository, rules.repositories) ? trigger.wait : undefined;
}

async function forwardOne(
  options: ForwardingOptions,
  policy: KeptPolicy,
  {
    push,
    waitMs,
    signal,
  }: { readonly push: AwaitedPush; readonly waitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const started = await options.enqueue({
    kind: 'replication',
    queue: queueOf(policy.id),
    trigger: 'push',
    operator: push.operator,
    facts: toldOf(policy),
    tasks: await tasksFor(policy, push, options.hostOf),
  });
  if (started === undefined) return;
  const deadline = AbortSignal.timeout(waitMs);
  try {
    const { status } = await options.ended(started.id, {
      signal: AbortSignal.any([signal, deadline]),
    });
    if (status === 'succeeded') return;
  } catch (error) {
    await options.stop(started.id);
    if (signal.aborted || !deadline.aborted) throw error;
    throw failureOf('UPSTREAM_TIMEOUT', policy, await options.reasons(started.id));
  }
  throw failureOf('UPSTREAM_UNAVAILABLE', policy, await options.reasons(started.id));
}

function failureOf(
  code: 'UPSTREAM_TIMEOUT' | 'UPSTREAM_UNAVAILABLE',
  { name }: KeptPolicy,
  reasons: readonly string[],
): OciError {
  const why = reasons.length === 0 ? 'it takes too long' : reasons.join('; ');
  const message = `it was not copied on by policy ${name}, and the tag is not set: ${why}`;
  return new OciError(code, { message });
}

/** @throws OciError UPSTREAM_UNAVAILABLE where a destination has no name for the repository: nothing is copied anywhere */
async function tasksFor(
  policy: KeptPolicy,
  { repository, digest, tags }: AwaitedPush,
  hostOf: HostOf,
): Promise<readonly NewTask[]> {
  const { id, rules } = policy;
  const asker = { policy: id, rules, isDryRun: false } as const;
  const tasks: NewTask[] = [];
  const { places, refused } = await placesOf(rules, repository, hostOf);
  if (refused.length > 0) throw failureOf('UPSTREAM_UNAVAILABLE', policy, refused);
  for (const { place, side } of places) {
    for (const tag of tags) {
      const payload = { ...place, tag, digest, isAhead: true };
      tasks.push(referenceTask(asker, { host: undefined }, payload, side));
    }
  }
  return tasks;
}
