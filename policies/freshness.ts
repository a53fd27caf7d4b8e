/**
 * Freshness: how long a cached tag answers by itself, and what is said when its upstream does not.
 *
 * Pure: facts in, verdict out. Asking upstream is `src/proxy`'s business. Digests never go stale, so only tags come here.
 */
import { z } from 'zod';
import { matchesDoublestar, Pattern } from './doublestar.ts';
import { Duration, DurationOrForever } from './units.ts';

export const FreshnessRule = z.strictObject({
  tags: Pattern.default('*').meta({
    description: 'Which tags the rule is for; the first rule that matches a tag decides.',
    examples: ['latest', '*.*.*', '{stable,edge}'],
  }),
  ttl: DurationOrForever.prefault('5m').meta({
    description: 'Serve a cached tag this long without asking upstream.',
  }),
  staleWhileRevalidate: Duration.prefault('0s').meta({
    description: 'So long after that, serve it at once and ask upstream meanwhile.',
  }),
  staleIfError: DurationOrForever.prefault('7d').meta({
    description: 'So long after `ttl`, serve it when upstream cannot be reached or answers 5xx.',
  }),
  staleIfThrottled: DurationOrForever.prefault('7d').meta({
    description: 'So long after `ttl`, serve it when upstream answers 429.',
  }),
  negativeTtl: Duration.prefault('30s').meta({
    description:
      'Remember this long that upstream does not have a tag; for digests, and for lists that make no sense, what the rule of `*` says.',
  }),
  onNotFound: z.enum(['answer404', 'serveCached']).default('answer404').meta({
    description:
      'What to do with a cached tag that upstream no longer has; `serveCached` lists it, too. Bytes are kept either way.',
  }),
  resolveDeadline: Duration.prefault('2s').meta({
    description:
      'An upstream that says nothing for this long counts as an error when there is something to serve.',
  }),
});
export type FreshnessRule = z.infer<typeof FreshnessRule>;

/** A proxy project's rules in the operator's order; tags that none matches have the defaults. */
export const FreshnessRules = z.array(FreshnessRule).default([]);

const DEFAULT_RULE = FreshnessRule.parse({});

export function ruleFor(tag: string, rules: readonly FreshnessRule[]): FreshnessRule {
  return rules.find((rule) => matchesDoublestar(tag, rule.tags)) ?? DEFAULT_RULE;
}

/** What this node knows of a tag before it asks anybody. Times are milliseconds UTC. */
export interface TagFacts {
  readonly cached: { readonly checkedAt: number | undefined } | undefined;
  /** When upstream last said that it has no such tag. */
  readonly missingSince: number | undefined;
}

/**
 * - `no`: the cached tag is fresh
 * - `known-missing`: upstream said so a moment ago, which is as good as hearing it again
 * - `meanwhile`: serve the cached tag and ask in the background
 * - `first`: nothing may be said before upstream was asked
 */
export type Asking = 'no' | 'known-missing' | 'meanwhile' | 'first';

/** Whether upstream has to be asked where a tag points. */
export function whetherToAsk(facts: TagFacts, rule: FreshnessRule, now: number): Asking {
  const { cached, missingSince } = facts;
  const isNewest = missingSince !== undefined && missingSince >= (cached?.checkedAt ?? 0);
  if (isNewest && isWithin(rule.negativeTtl, missingSince, now)) return 'known-missing';
  if (cached === undefined) return 'first';
  if (isWithin(rule.ttl, cached.checkedAt, now)) return 'no';
  return isWithin(rule.ttl + rule.staleWhileRevalidate, cached.checkedAt, now)
    ? 'meanwhile'
    : 'first';
}

/** What came of asking upstream where a tag points. `unavailable` is no answer, 5xx, or one that makes no sense. */
export type UpstreamAnswer =
  | 'unchanged'
  | 'changed'
  | 'not-found'
  | 'denied'
  | 'throttled'
  | 'unavailable';

/**
 * - `cached`: serve what is cached, which upstream has confirmed
 * - `fetched`: serve what upstream has now
 * - `stale`: serve what is cached and say that it may be old
 * - `failure`: tell the client what upstream said
 */
export type Serving = 'cached' | 'fetched' | 'stale' | 'failure';

/** What the client gets, given what upstream said. */
export function whatToServe(
  answer: UpstreamAnswer,
  cached: TagFacts['cached'],
  rule: FreshnessRule,
  now: number,
): Serving {
  if (answer === 'changed') return 'fetched';
  if (cached === undefined) return answer === 'unchanged' ? 'fetched' : 'failure';
  if (answer === 'unchanged') return 'cached';
  if (answer === 'denied') return 'failure';
  if (answer === 'not-found') return rule.onNotFound === 'serveCached' ? 'stale' : 'failure';
  const grace = answer === 'throttled' ? rule.staleIfThrottled : rule.staleIfError;
  // A clock that was set back says nothing about age; there is something to serve and nothing better to be had.
  const isOfFuture = cached.checkedAt !== undefined && cached.checkedAt > now;
  return isOfFuture || isWithin(rule.ttl + grace, cached.checkedAt, now) ? 'stale' : 'failure';
}

/**
 * Whether a cached tag is listed though upstream's list lacks it: one that was confirmed after that list was begun may be
 * newer than it. Without a list (`listedAt` undefined) the cache answers alone.
 */
export function staysListed(
  facts: { readonly checkedAt: number | undefined; readonly listedAt: number | undefined },
  rule: FreshnessRule,
  now: number,
): boolean {
  const { checkedAt, listedAt } = facts;
  if (listedAt === undefined || rule.onNotFound === 'serveCached') return true;
  return checkedAt !== undefined && checkedAt >= listedAt && checkedAt <= now;
}

/** An unknown moment is infinitely long ago; one in the future is of a clock that was set back, and counts as long ago. */
function isWithin(duration: number, since: number | undefined, now: number): boolean {
  if (duration === Number.POSITIVE_INFINITY) return true;
  return since !== undefined && since <= now && now - since < duration;
}
