/**
 * Tags and referrers of proxy projects: what upstream lists and what is cached, together. Upstream's list is remembered
 * as long as the rule for `*` keeps a tag fresh, and stands in for upstream, by the same rule, when that gives no answer.
 *
 * A cached tag that upstream's list lacks is gone there, unless it was confirmed since. A cached referrer stays listed: its
 * digest is never asked for again, so that it is served as before, and nobody knows when upstream had it last.
 */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import {
  type FreshnessRule,
  ruleFor,
  staysListed,
  type UpstreamAnswer,
  whatToServe,
  whetherToAsk,
} from '../../policies/freshness.ts';
import type { Cache, CacheStore } from '../cache/cache.ts';
import type { ReferrerPage, Referrers } from '../catalog/referrers.ts';
import type { Tags } from '../catalog/tags.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { UpstreamInvalid, UpstreamUnavailable } from '../registry/errors.ts';
import type { CallOptions, Referrer } from '../registry/peer.ts';
import { answerOf, clientError, failureOf } from './failures.ts';
import type { Departure, Flight, Flights } from './flights.ts';
import { inOrder, pageOf, TagLists } from './tag-lists.ts';
import type { Upstream } from './upstreams.ts';

export interface ListingsOptions {
  readonly tags: Pick<Tags, 'found'>;
  readonly referrers: Referrers;
  readonly cache: Cache;
  readonly flights: Flights;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface TagListOptions {
  /** Only what comes after it in byte order. */
  readonly last?: string;
  readonly limit?: number;
  readonly signal: AbortSignal;
}

export interface ReferrerListOptions {
  readonly artifactType?: string;
  /** Only what comes after it in byte order. */
  readonly last?: string;
  readonly signal: AbortSignal;
}

/** What upstream listed. */
interface Listed<T> {
  readonly entries: readonly T[];
  /** When it began to: what changed meanwhile may be in it or not. Milliseconds UTC. */
  readonly checkedAt: number;
}

/** What upstream lists, or listed when that may answer for it; nothing, at no time, where the cache has to answer alone. */
interface Answer<T> {
  readonly entries: readonly T[];
  readonly checkedAt: number | undefined;
}
const NO_LIST = { entries: [], checkedAt: undefined } as const;

/** One kind of list of one repository. */
interface List<T> {
  readonly upstream: Upstream;
  readonly key: string;
  readonly store: CacheStore<Listed<T>>;
  readonly departure: Departure<Listed<T>>;
  /** Whether something is cached that answers instead when nothing is remembered of upstream. */
  readonly hasCached: boolean;
  readonly ask: (options: CallOptions) => Promise<readonly T[]>;
}

const ReferrerEntry = z
  .object({
    mediaType: z.string(),
    digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
    size: z.int(),
    artifactType: z.string().optional(),
    annotations: z.record(z.string(), z.string()),
  })
  .transform(({ artifactType, ...entry }) => ({ ...entry, artifactType }));

/** Lists that upstream gave and that are none, or too large; by the list's key. */
const MOST_INVALID = 1000;

/** Lists are hints: longer than this they are not remembered, however long the rule would serve them stale. */
const LONGEST_MEMORY_MS = 7 * 24 * 60 * 60 * 1000;

export class Listings {
  readonly #options: ListingsOptions;
  readonly #tagLists: TagLists;
  readonly #referrerLists: CacheStore<Listed<Referrer>>;
  readonly #invalid = new LRUCache<
    string,
    { readonly error: UpstreamInvalid; readonly at: number }
  >({
    max: MOST_INVALID,
  });
  readonly #listingTags: Departure<Listed<string>>;
  readonly #listingReferrers: Departure<Listed<Referrer>>;

  constructor(options: ListingsOptions) {
    this.#options = options;
    const { cache, flights } = options;
    this.#tagLists = new TagLists(cache.store('sorted-tag-lists', listed(z.string())));
    this.#referrerLists = cache.store('referrer-lists', listed(ReferrerEntry));
    this.#listingTags = flights.kind();
    this.#listingReferrers = flights.kind();
  }

  /** In byte order. @throws OciError NAME_UNKNOWN and those of an upstream */
  async tags(upstream: Upstream, options: TagListOptions): Promise<readonly string[]> {
    const { signal, ...page } = options;
    const { repository, settings } = upstream;
    const cached = await this.#options.tags.found(repository);
    const list = {
      upstream,
      key: upstream.key,
      store: this.#tagLists,
      departure: this.#listingTags,
      hasCached: cached.length > 0,
      ask: (call: CallOptions) =>
        upstream.ask(
          async (peer, path) => inOrder(await Array.fromAsync(peer.tags(path, call))),
          call,
        ),
    };
    const { entries, checkedAt: listedAt } = await this.#listed(list, signal);
    const now = this.#options.now();
    const staying = cached.filter(
      ({ name, ownership, checkedAt }) =>
        // What was copied here on purpose does not follow upstream.
        ownership !== 'cache' ||
        staysListed({ checkedAt, listedAt }, ruleFor(name, settings.freshness), now),
    );
    return pageOf(
      entries,
      staying.map(({ name }) => name),
      page,
    );
  }

  /** None where upstream says so; not where it cannot be asked and nothing is known. */
  async referrers(
    upstream: Upstream,
    subject: Digest,
    { artifactType, last = '', signal }: ReferrerListOptions,
  ): Promise<ReferrerPage> {
    const { repository } = upstream;
    const { referrers } = this.#options;
    const list = {
      upstream,
      key: `${upstream.key}@${subject}`,
      store: this.#referrerLists,
      departure: this.#listingReferrers,
      hasCached: await referrers.exist(repository, subject),
      ask: (call: CallOptions) =>
        upstream.ask((peer, path) => peer.referrers(path, subject, call), call),
    };
    const { entries } = await this.#listed(list, signal);
    const cached = await referrers.list(repository, subject, { last });
    const { next } = cached;
    // What upstream has beyond the cache's page belongs to a later one.
    const theirs = entries.filter(
      ({ digest }) => digest > last && (next === undefined || digest <= next),
    );
    const all = new Map([...theirs, ...cached.referrers].map((one) => [one.digest, one]));
    const found = [...all.values()].filter(
      (referrer) => artifactType === undefined || referrer.artifactType === artifactType,
    );
    return { referrers: found, next };
  }

  async #listed<T>(list: List<T>, signal: AbortSignal): Promise<Answer<T>> {
    const known = await list.store.get(list.key);
    const rule = ruleFor('', list.upstream.settings.freshness);
    const facts = { cached: known, missingSince: undefined };
    const asking = whetherToAsk(facts, rule, this.#options.now());
    if (asking === 'no' && known !== undefined) return known;
    const flight = this.#ask(list, rule);
    if (asking === 'meanwhile' && known !== undefined) return known;
    const hasStale = this.#instead(list, { rule, known, answer: 'unavailable' }) !== undefined;
    const deadline = {
      inMs: flight.startedAt + rule.resolveDeadline - performance.now(),
      error: () => new UpstreamUnavailable(list.upstream.host, 'timeout'),
    };
    try {
      return await flight.wait({ signal, deadline: hasStale ? deadline : undefined });
    } catch (error) {
      const failure = signal.aborted ? undefined : failureOf(error);
      if (failure === undefined) throw error;
      const instead = this.#instead(list, { rule, known, answer: answerOf(failure) });
      if (instead === undefined) throw clientError(error);
      return instead;
    }
  }

  #ask<T>(list: List<T>, rule: FreshnessRule): Flight<Listed<T>> {
    return list.departure(list.key, async (options) => {
      const checkedAt = this.#options.now();
      const answer = { entries: await this.#valid(list, rule, () => list.ask(options)), checkedAt };
      const memoryMs = Math.min(rule.ttl + rule.staleIfError, LONGEST_MEMORY_MS);
      await list.store.set(list.key, answer, memoryMs);
      return answer;
    });
  }

  /** What made no sense a moment ago is not fetched again at once: it may have been very large. */
  async #valid<T>(
    { key }: List<T>,
    { negativeTtl }: FreshnessRule,
    ask: () => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const { now } = this.#options;
    const known = this.#invalid.get(key);
    if (known !== undefined && Math.abs(now() - known.at) < negativeTtl) throw known.error;
    try {
      return await ask();
    } catch (error) {
      if (error instanceof UpstreamInvalid) this.#invalid.set(key, { error, at: now() });
      throw error;
    }
  }

  /** Of upstream's list, when upstream answers so: what is remembered, no list where the cache has some; undefined: a failure. */
  #instead<T>(
    list: List<T>,
    {
      rule,
      known,
      answer,
    }: { rule: FreshnessRule; known: Listed<T> | undefined; answer: UpstreamAnswer },
  ): Answer<T> | undefined {
    const isStale = whatToServe(answer, known, rule, this.#options.now()) === 'stale';
    if (isStale && known !== undefined) return known;
    const mayBeLacking =
      answer === 'not-found' ? rule.onNotFound === 'serveCached' : answer !== 'denied';
    return list.hasCached && mayBeLacking ? NO_LIST : undefined;
  }
}

/** One kind of list, as it is remembered. */
function listed<T>(entry: z.ZodType<T>) {
  return z.object({ entries: z.array(entry), checkedAt: z.number() });
}
