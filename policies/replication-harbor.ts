/**
 * Replication policies as Harbor's API has them (api/v2.0/swagger.yaml `ReplicationPolicy`; src/server/v2.0/handler/replication.go,
 * src/controller/replication/model), and ours. Harbor's model is the smaller one. An update is compared with what is shown of
 * the policy: where it says the same, the policy stays as it is, with everything that Harbor has no words for.
 */
import { z } from 'zod';
import { isRepositoryName } from '../src/oci/reference.ts';
import { LOCAL, ReplicationPolicy } from './replication.ts';
import { harborCronOf, isHarborCron } from './replication-cron.ts';
import {
  changedFilters,
  filtersFor,
  HarborFilter,
  isSameSelection,
  selectionFor,
  selectionOf,
} from './replication-harbor-filters.ts';

const MOST_FILTERS = 100;
/** Of the flattening: replace all but the last component. */
const ALL = -1;
// src/controller/replication/transfer/iothrottler.go, `KBRATE`: the unit is 1024 bits, whatever the field is called.
const SPEED_UNIT = 1024 / 8;
const FASTEST = 2 ** 31 - 1;
const LONGEST_CRON = 200;

const Flag = z.boolean().nullish();
const TriggerType = z.enum(['manual', 'scheduled', 'event_based'], 'invalid trigger type');

const Trigger = z.object({
  type: TriggerType,
  trigger_settings: z.object({ cron: z.string().max(LONGEST_CRON).nullish() }).nullish(),
});

/** What is sent, but names and registries; what is left out is as in Harbor, or stays as it is where Harbor calls it optional. */
export const HarborPolicy = z
  .object({
    description: z.string().nullish(),
    dest_namespace: z
      .string()
      .refine((text) => text === '' || isRepositoryName(text), 'invalid destination namespace')
      .nullish(),
    dest_namespace_replace_count: z.int().min(-128).max(127).nullish(),
    trigger: Trigger.nullish(),
    filters: z.array(HarborFilter).max(MOST_FILTERS).nullish(),
    /** Older than the other, and still the only one that Harbor reads. */
    deletion: Flag,
    replicate_deletion: Flag,
    override: Flag,
    enabled: Flag,
    speed: z.int().max(FASTEST).nullish(),
    copy_by_chunk: Flag,
    single_active_replication: Flag,
  })
  .refine(({ filters }) => selectionOf(filters ?? []) !== undefined, {
    error: 'several filters of one kind; write them as one pattern: {a,b}',
    path: ['filters'],
  });
export type HarborPolicy = z.output<typeof HarborPolicy>;

/** What Harbor's clients are shown, but names, registries and times. */
export interface ShownPolicy {
  readonly description: string;
  readonly dest_namespace: string;
  readonly dest_namespace_replace_count: number;
  readonly trigger: {
    readonly type: z.output<typeof TriggerType>;
    readonly trigger_settings: { readonly cron?: string };
  };
  readonly filters: readonly HarborFilter[];
  readonly deletion: boolean;
  readonly replicate_deletion: boolean;
  readonly override: boolean;
  readonly enabled: boolean;
  readonly speed: number;
  readonly copy_by_chunk: boolean;
  readonly single_active_replication: boolean;
}

/** The endpoints that the API's registries are. */
export interface HarborEndpoints {
  readonly source: string;
  readonly destination: string;
}

/** As it is written and stored: {@link ReplicationPolicy} has still to judge it. */
export type PolicyText = Readonly<Record<string, unknown>>;

/**
 * The policy, as far as Harbor can say it; the first destination of several.
 *
 * @param said its filters as a client sent them, which are shown again while they say the same
 */
export function shownInHarbor(
  policy: ReplicationPolicy,
  said?: readonly HarborFilter[],
): ShownPolicy {
  const { trigger, bandwidth } = policy;
  const [first] = policy.destinations;
  const selection = selectionFor(policy);
  const saying = selectionOf(said ?? []) ?? {};
  return {
    description: policy.description,
    dest_namespace: first?.namespace ?? '',
    dest_namespace_replace_count: first?.flatten === 'all' ? ALL : (first?.flatten ?? 0),
    trigger: shownTrigger(trigger),
    filters:
      said !== undefined && isSameSelection(saying, selection) ? said : filtersFor(selection),
    deletion: policy.delete,
    replicate_deletion: policy.delete,
    override: policy.override,
    enabled: policy.enabled,
    speed: speedFor(bandwidth),
    copy_by_chunk: policy.chunked,
    single_active_replication: policy.overlap === 'skip',
  };
}

/**
 * The policy as Harbor's API changes it, or creates it where there is none yet.
 *
 * @returns its text, or what is wrong with it in Harbor's words
 */
export function changedByHarbor(
  sent: HarborPolicy,
  endpoints: HarborEndpoints,
  current?: PolicyText,
): { readonly text: PolicyText } | { readonly refused: string } {
  const { source, destination } = endpoints;
  const before = current ?? { source, destinations: [{ endpoint: destination }] };
  const policy = ReplicationPolicy.parse(before);
  const isNew = current === undefined;
  const refused = refusalOf(sent, endpoints, policy, isNew);
  if (refused !== undefined) return { refused };
  const text = {
    ...before,
    source,
    ...changedDestination(sent, destination, policy, isNew),
    ...changedFilters(selectionOf(sent.filters ?? []) ?? {}, policy),
    ...changedEffect(sent, policy),
  };
  return { text };
}

/** What Harbor refuses. What a policy is already may stay: there is more that ours can be. */
function refusalOf(
  sent: HarborPolicy,
  { source, destination }: HarborEndpoints,
  policy: ReplicationPolicy,
  isNew: boolean,
): string | undefined {
  const { trigger, single_active_replication: isSingle } = sent;
  const isMoved = source !== policy.source || destination !== policy.destinations[0]?.endpoint;
  const remotes = [source, destination].filter((endpoint) => endpoint !== LOCAL).length;
  if (remotes !== 1 && (isNew || isMoved)) {
    return "either src_registry or dest_registry should be empty and the other one shouldn't be empty";
  }
  const isOther = trigger != null && changedTrigger(trigger, policy.trigger) !== undefined;
  const cron = trigger?.trigger_settings?.cron ?? '';
  if (isOther && trigger.type === 'scheduled' && !isHarborCron(cron)) {
    return cron === ''
      ? 'the cron string cannot be empty when the trigger type is scheduled'
      : `invalid cron string for scheduled trigger: ${cron}`;
  }
  const isNewlySingle = isSingle === true && (isOther || policy.overlap !== 'skip');
  return isNewlySingle && trigger?.type === 'event_based'
    ? 'single active replication is not possible with an event based trigger'
    : undefined;
}

/** What a new policy has where Harbor's optional field is left out, and what an old one keeps. */
function changedDestination(
  sent: HarborPolicy,
  endpoint: string,
  policy: ReplicationPolicy,
  isNew: boolean,
): object {
  const [first, ...others] = policy.destinations;
  const shown = shownInHarbor(policy);
  const namespace = sent.dest_namespace ?? '';
  const count =
    sent.dest_namespace_replace_count ?? (isNew ? ALL : shown.dest_namespace_replace_count);
  const flatten = count < 0 ? 'all' : count;
  if (first === undefined) return {};
  const isNamed = namespace !== shown.dest_namespace;
  const isFlattened = Math.max(count, ALL) !== shown.dest_namespace_replace_count;
  if (endpoint === first.endpoint && !isNamed && !isFlattened) return {};
  const { template, ...kept } = first;
  const { namespace: _, ...unnamed } = kept;
  const named = namespace === '' ? unnamed : { ...unnamed, namespace };
  const changed = isNamed || template === undefined ? named : first;
  return { destinations: [{ ...changed, endpoint, flatten }, ...others] };
}

function changedEffect(sent: HarborPolicy, policy: ReplicationPolicy): object {
  const before: Readonly<Record<string, unknown>> = policy;
  const wanted = {
    description: sent.description ?? '',
    delete: sent.deletion ?? sent.replicate_deletion ?? false,
    override: sent.override ?? false,
    enabled: sent.enabled ?? false,
    chunked: sent.copy_by_chunk ?? policy.chunked,
    overlap: overlapFor(sent.single_active_replication) ?? policy.overlap,
  };
  const shownSpeed = speedFor(policy.bandwidth);
  const speed = Math.max(0, sent.speed ?? shownSpeed);
  const bandwidth = speed === 0 ? 'unlimited' : `${speed / 8}KiB/s`;
  const trigger = changedTrigger(sent.trigger ?? { type: 'manual' }, policy.trigger);
  return {
    ...Object.fromEntries(Object.entries(wanted).filter(([key, value]) => value !== before[key])),
    ...(speed === shownSpeed ? {} : { bandwidth }),
    ...(trigger === undefined ? {} : { trigger }),
  };
}

function overlapFor(isSingle: boolean | null | undefined): 'skip' | 'wait' | undefined {
  if (isSingle == null) return undefined;
  return isSingle ? 'skip' : 'wait';
}

function shownTrigger(trigger: ReplicationPolicy['trigger']): ShownPolicy['trigger'] {
  if (trigger === 'manual') return { type: 'manual', trigger_settings: {} };
  if ('event' in trigger) return { type: 'event_based', trigger_settings: {} };
  return { type: 'scheduled', trigger_settings: { cron: harborCronOf(trigger.cron) } };
}

/** Undefined where it stays. A schedule that changes keeps its time zone. */
function changedTrigger(
  sent: NonNullable<HarborPolicy['trigger']>,
  current: ReplicationPolicy['trigger'],
): object | string | undefined {
  const shown = shownTrigger(current);
  const cron = harborCronOf(sent.trigger_settings?.cron ?? '');
  if (sent.type !== shown.type) return newTrigger(sent.type, cron);
  if (sent.type !== 'scheduled' || cron === shown.trigger_settings.cron) return undefined;
  return current !== 'manual' && 'cron' in current ? { ...current, cron } : { cron };
}

function newTrigger(type: ShownPolicy['trigger']['type'], cron: string): object | string {
  if (type === 'scheduled') return { cron };
  return type === 'event_based' ? { event: 'push' } : 'manual';
}

/** At least the slowest that there is: no limit is shown as nothing, and nothing may pass as that. */
function speedFor(bandwidth: number): number {
  if (bandwidth === Number.POSITIVE_INFINITY) return 0;
  return Math.min(FASTEST, Math.max(1, Math.floor(bandwidth / SPEED_UNIT)));
}
