/**
 * Manifests of proxy projects: from here as long as the rules allow, else from upstream. Digests never go stale; what a
 * tag points to does, by `policies/freshness.ts`.
 */
import { type Asking, ruleFor, whatToServe, whetherToAsk } from '../../policies/freshness.ts';
import type { StoredManifest } from '../catalog/found-manifests.ts';
import type { Manifests } from '../catalog/manifests.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { UpstreamUnavailable } from '../registry/errors.ts';
import type { ManifestHead as UpstreamHead } from '../registry/peer.ts';
import { type CacheOutcome, cacheDecided } from '../telemetry/channels.ts';
import { answerOf, clientError, failureOf, staleWarning } from './failures.ts';
import type { Departure, Flight, Flights } from './flights.ts';
import type { KeptManifests, ManifestHead, ServedManifest } from './kept-manifests.ts';
import type { MissingDigests } from './missing-digests.ts';
import type { Sighting, TagQuestion, TagSightings } from './tag-sightings.ts';
import type { Upstream } from './upstreams.ts';

interface WaitOptions {
  /** Leaves; what upstream was asked for goes on. */
  readonly signal: AbortSignal;
}

/** What is served, or where the tag points, which is not here. `askedAt` as in {@link Flight}. */
type Resolved =
  | { readonly manifest: ServedManifest }
  | { readonly manifest: undefined; readonly sighting: Sighting; readonly askedAt: number };

export interface ManifestPullsOptions {
  readonly manifests: Pick<Manifests, 'find'>;
  readonly sightings: TagSightings;
  readonly kept: KeptManifests;
  readonly missingManifests: MissingDigests;
  readonly flights: Flights;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** All throw what the client is told: OciError MANIFEST_UNKNOWN and those of an upstream. */
export class ManifestPulls {
  readonly #options: ManifestPullsOptions;
  readonly #heading: Departure<UpstreamHead | undefined>;
  readonly #fetching: Departure<ServedManifest>;
  readonly #refreshing: Departure<void>;

  constructor(options: ManifestPullsOptions) {
    this.#options = options;
    this.#heading = options.flights.kind();
    this.#fetching = options.flights.kind();
    this.#refreshing = options.flights.kind();
  }

  async byDigest(
    upstream: Upstream,
    digest: Digest,
    options: WaitOptions,
  ): Promise<ServedManifest> {
    const cached = await this.#found(upstream, digest);
    if (cached !== undefined) {
      publish(upstream, 'hit');
      return cached;
    }
    await this.#assertNotMissing(upstream, digest);
    publish(upstream, 'miss');
    return telling(() => this.#fetch(upstream, digest).wait(options));
  }

  /** Fetches the manifest only where upstream's HEAD does not say enough. */
  async headByDigest(
    upstream: Upstream,
    digest: Digest,
    { signal }: WaitOptions,
  ): Promise<ManifestHead> {
    if ((await this.#found(upstream, digest)) !== undefined) {
      return this.byDigest(upstream, digest, { signal });
    }
    await this.#assertNotMissing(upstream, digest);
    const head = await telling(() => this.#head(upstream, digest).wait({ signal }));
    const { mediaType, size } = head ?? {};
    if (mediaType === undefined || size === undefined) {
      return this.byDigest(upstream, digest, { signal });
    }
    publish(upstream, 'miss');
    return { digest, mediaType, size };
  }

  async byTag(upstream: Upstream, tag: string, options: WaitOptions): Promise<ServedManifest> {
    const pull = await this.#pull(upstream, tag);
    const resolved = await this.#resolve(pull, options);
    return resolved.manifest ?? this.#fetchTagged(pull, resolved, options);
  }

  /** As {@link headByDigest}. */
  async headByTag(upstream: Upstream, tag: string, options: WaitOptions): Promise<ManifestHead> {
    const pull = await this.#pull(upstream, tag);
    const resolved = await this.#resolve(pull, options);
    if (resolved.manifest !== undefined) return resolved.manifest;
    const { digest, mediaType, size } = resolved.sighting;
    if (mediaType === undefined || size === undefined) {
      return this.#fetchTagged(pull, resolved, options);
    }
    publish(upstream, 'miss');
    return { digest, mediaType, size };
  }

  async #pull(upstream: Upstream, tag: string): Promise<TagQuestion> {
    const { manifests } = this.#options;
    const cached = await manifests.find(upstream.repository, { kind: 'tag', tag });
    return { upstream, tag, rule: ruleFor(tag, upstream.settings.freshness), cached };
  }

  /** @throws OciError MANIFEST_UNKNOWN */
  async #assertNotMissing(upstream: Upstream, digest: Digest): Promise<void> {
    if (!(await this.#options.missingManifests.has(upstream, digest))) return;
    publish(upstream, 'negative');
    throw new OciError('MANIFEST_UNKNOWN', { detail: digest });
  }

  #found(upstream: Upstream, digest: Digest): Promise<StoredManifest | undefined> {
    return this.#options.manifests.find(upstream.repository, { kind: 'digest', digest });
  }

  async #resolve(pull: TagQuestion, options: WaitOptions): Promise<Resolved> {
    const { cached, upstream } = pull;
    const asking = await this.#whetherToAsk(pull);
    if (asking === 'known-missing') return this.#instead(pull, new OciError('MANIFEST_UNKNOWN'));
    if (asking === 'first' || cached === undefined) return this.#askFirst(pull, options);
    if (asking === 'meanwhile') this.#refresh(pull);
    publish(upstream, asking === 'no' ? 'hit' : 'stale');
    return { manifest: cached };
  }

  async #whetherToAsk(pull: TagQuestion): Promise<Asking> {
    const { cached, rule } = pull;
    // What was copied here on purpose is for whoever copied it to renew.
    if (cached?.tag !== undefined && cached.tag.ownership !== 'cache') return 'no';
    const facts = { cached: cached?.tag, missingSince: undefined };
    const now = this.#options.now();
    const asking = whetherToAsk(facts, rule, now);
    if (asking === 'no') return asking;
    const missingSince = await this.#options.sightings.missingSince(pull);
    return whetherToAsk({ ...facts, missingSince }, rule, now);
  }

  async #askFirst(pull: TagQuestion, options: WaitOptions): Promise<Resolved> {
    const { cached, upstream } = pull;
    const flight = this.#options.sightings.ask(pull);
    const askedAt = flight.startedAt;
    return this.#orInstead(pull, options, async () => {
      const sighting = await this.#await(pull, flight, { ...options, askedAt });
      const { manifest } = sighting;
      if (manifest === undefined) return { manifest, sighting, askedAt };
      publish(upstream, manifest.digest === cached?.digest ? 'revalidated' : 'miss');
      return { manifest };
    });
  }

  async #fetchTagged(
    pull: TagQuestion,
    { sighting, askedAt }: { readonly sighting: Sighting; readonly askedAt: number },
    options: WaitOptions,
  ): Promise<ServedManifest> {
    const served = await this.#orInstead(pull, options, async () => {
      const manifest = await this.#fetchOrGet(pull, sighting.digest, (flight) =>
        this.#await(pull, flight, { ...options, askedAt }),
      );
      publish(pull.upstream, 'miss');
      return { manifest };
    });
    return served.manifest;
  }

  /** Not every registry, nor every proxy in front of one, has by digest what it has by tag. */
  async #fetchOrGet(
    pull: TagQuestion,
    digest: Digest,
    wait: <T>(flight: Flight<T>) => Promise<T>,
  ): Promise<ServedManifest> {
    try {
      return await wait(this.#fetch(pull.upstream, digest));
    } catch (error) {
      if (failureOf(error) !== 'not-found') throw error;
    }
    const { manifest } = await wait(this.#options.sightings.get(pull));
    if (manifest === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: digest });
    return manifest;
  }

  /** Where there is something to serve, only until the deadline; what was asked for goes on, and is fetched. */
  async #await<T>(
    pull: TagQuestion,
    flight: Flight<T>,
    { signal, askedAt }: WaitOptions & { readonly askedAt: number },
  ): Promise<T> {
    const { rule, cached, upstream } = pull;
    const hasStale = whatToServe('unavailable', cached?.tag, rule, this.#options.now()) === 'stale';
    if (!hasStale) return flight.wait({ signal });
    // Counted from the first request to upstream: nobody waits out the same silence a second time.
    const inMs = askedAt + rule.resolveDeadline - performance.now();
    const error = (): Error => {
      this.#refresh(pull);
      return new UpstreamUnavailable(upstream.host, 'timeout');
    };
    return flight.wait({ signal, deadline: { inMs, error } });
  }

  async #orInstead<T>(
    pull: TagQuestion,
    { signal }: WaitOptions,
    work: () => Promise<T>,
  ): Promise<T | { readonly manifest: ServedManifest }> {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) throw error;
      return this.#instead(pull, error);
    }
  }

  /** What is cached, with a warning, where the rule allows that for this failure; else throws what the client is told. */
  #instead(
    { upstream, tag, rule, cached }: TagQuestion,
    error: unknown,
  ): { readonly manifest: ServedManifest } {
    const failure = failureOf(error);
    if (failure === undefined) throw clientError(error);
    const answer = answerOf(failure);
    const serving = whatToServe(answer, cached?.tag, rule, this.#options.now());
    if (serving === 'stale' && cached !== undefined) {
      publish(upstream, 'stale');
      const warning = staleWarning(upstream.host, answer, cached.tag?.checkedAt);
      return { manifest: { ...cached, warning } };
    }
    publish(upstream, failure === 'not-found' ? 'negative' : 'miss');
    if (failure !== 'not-found') throw clientError(error);
    throw new OciError('MANIFEST_UNKNOWN', { detail: { tag }, cause: error });
  }

  /** In the background: nobody waits, and failures are the next asker's. */
  #refresh(pull: TagQuestion): void {
    this.#refreshing(`${pull.upstream.key}:${pull.tag}`, async ({ signal }) => {
      const { manifest, digest } = await this.#options.sightings.ask(pull).wait({ signal });
      if (manifest !== undefined) return;
      await this.#fetchOrGet(pull, digest, (flight) => flight.wait({ signal }));
    });
  }

  /** By digest, which the peer compares with the bytes. Rejects with the errors of `registry/errors.ts`, as they are. */
  #fetch(upstream: Upstream, digest: Digest): Flight<ServedManifest> {
    const { kept, missingManifests, now } = this.#options;
    return this.#fetching(`${upstream.key}@${digest}`, async (options) => {
      const since = await this.#found(upstream, digest);
      if (since !== undefined) return since;
      const manifest = await missingManifests.noting(upstream, digest, () =>
        upstream.ask((peer, path) => peer.manifest(path, digest, options), options),
      );
      return kept.keep(upstream, manifest, now());
    });
  }

  #head(upstream: Upstream, digest: Digest): Flight<UpstreamHead | undefined> {
    return this.#heading(`${upstream.key}@${digest}`, (options) =>
      this.#options.missingManifests.noting(upstream, digest, () =>
        upstream.ask((peer, path) => peer.headManifest(path, digest, options), options),
      ),
    );
  }
}

async function telling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw clientError(error);
  }
}

function publish(upstream: Upstream, outcome: CacheOutcome): void {
  if (!cacheDecided.hasSubscribers) return;
  const { project, host } = upstream;
  cacheDecided.publish({ project: project.name, upstream: host, kind: 'manifest', outcome });
}
