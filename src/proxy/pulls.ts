/**
 * Reading from this node's repositories: hosted ones as they are, those of proxy projects through to their upstream.
 * Everything here takes canonical repository names and throws what the client is told.
 */
import { z } from 'zod';
import type { Cache } from '../cache/cache.ts';
import type { AccessTimes } from '../catalog/access-times.ts';
import type { Blobs } from '../catalog/blobs.ts';
import type { Manifests } from '../catalog/manifests.ts';
import type { Projects } from '../catalog/projects.ts';
import type { ReferrerPage, Referrers } from '../catalog/referrers.ts';
import type { Repositories } from '../catalog/repositories.ts';
import type { Tags } from '../catalog/tags.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError, type OciErrorCode } from '../oci/error.ts';
import type { Reference } from '../oci/reference.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { StartedFill } from '../transfer/fill-records.ts';
import type { FillSource } from '../transfer/fill-source.ts';
import type { Transfers } from '../transfer/transfers.ts';
import { type BlobOptions, BlobPulls } from './blob-pulls.ts';
import { fillSourceOf } from './fill-sources.ts';
import { Flights } from './flights.ts';
import { KeptManifests, type ManifestHead, type ServedManifest } from './kept-manifests.ts';
import { Listings, type ReferrerListOptions, type TagListOptions } from './listings.ts';
import { ManifestPulls } from './manifest-pulls.ts';
import { MissingDigests } from './missing-digests.ts';
import type { PassedBlob } from './passing-reader.ts';
import { TagSightings } from './tag-sightings.ts';
import { createUpstreams, type UpstreamsOptions } from './upstreams.ts';

export interface PullOptions {
  /** The client's: aborting leaves, and what upstream was asked for goes on. */
  readonly signal: AbortSignal;
}

/** A blob of which the front server may know where it lies. */
export interface PulledBlob extends PassedBlob {
  /** Below the storage folder, where it lies there whole. */
  readonly path?: string | undefined;
}

export interface Pulls extends AsyncDisposable {
  /**
   * Counts as a pull, unless it is read to be copied.
   *
   * @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN, DENIED, TOOMANYREQUESTS and those of an upstream
   */
  manifest(
    repository: string,
    reference: Reference,
    options: PullOptions & { readonly isReplication?: boolean },
  ): Promise<ServedManifest>;
  /** Fetches nothing where upstream's HEAD says enough, and counts as no pull. @throws as `manifest` */
  headManifest(
    repository: string,
    reference: Reference,
    options: PullOptions,
  ): Promise<ManifestHead>;
  /** @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN, DENIED, TOOMANYREQUESTS and those of an upstream; its reads do too */
  blob(repository: string, digest: Digest, options: BlobOptions): Promise<PulledBlob>;
  /** Bytes; undefined where upstream does not say. Downloads nothing. @throws as `blob` */
  blobSize(repository: string, digest: Digest, options: PullOptions): Promise<number | undefined>;
  /** In byte order. @throws OciError NAME_UNKNOWN, DENIED and those of an upstream */
  tags(repository: string, options: TagListOptions): Promise<readonly string[]>;
  /** None for a subject that nobody ever saw. @throws OciError DENIED and those of an upstream */
  referrers(
    repository: string,
    subject: Digest,
    options: ReferrerListOptions,
  ): Promise<ReferrerPage>;
  /** Where a fill that a former process left gets the rest; undefined where it is none of a proxy project that is still there. */
  sourceOf(
    fill: Pick<StartedFill, 'repository' | 'digest' | 'startedAt'>,
  ): Promise<FillSource | undefined>;
}

export interface PullsOptions extends UpstreamsOptions {
  readonly projects: Pick<Projects, 'get' | 'list'>;
  readonly manifests: Pick<Manifests, 'find' | 'arrive'>;
  readonly tags: Pick<Tags, 'list' | 'found' | 'confirm'>;
  readonly blobs: Pick<Blobs, 'find' | 'findIn' | 'link' | 'describedSize' | 'heldByProject'>;
  readonly repositories: Pick<Repositories, 'find'>;
  readonly referrers: Referrers;
  readonly accessTimes: Pick<AccessTimes, 'manifestPulled'>;
  readonly store: Pick<BlobStore, 'open' | 'pathOf'>;
  readonly transfers: Pick<Transfers, 'open'>;
  readonly cache: Cache;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** The longest that one question to upstream, blobs apart, goes on. */
  readonly questionDeadlineMs?: number;
  /** As in {@link BlobPulls}; half a minute. */
  readonly readerPaceMs?: number;
}

// More than the clients' own patience: containerd and docker give up on an answer's headers after 30 s and more.
const QUESTION_DEADLINE_MS = 60_000;

export function createPulls(options: PullsOptions): Pulls {
  return new NodePulls(options);
}

class NodePulls implements Pulls {
  readonly #options: PullsOptions;
  readonly #upstreams: ReturnType<typeof createUpstreams>;
  readonly #flights: Flights;
  readonly #manifests: ManifestPulls;
  readonly #blobs: BlobPulls;
  readonly #listings: Listings;

  constructor(options: PullsOptions) {
    const { questionDeadlineMs: deadlineMs = QUESTION_DEADLINE_MS } = options;
    const flights = new Flights({ deadlineMs });
    const kept = new KeptManifests(options.manifests);
    const { now } = options;
    const moments = (name: string) => options.cache.store(name, z.number());
    const missing = moments('missing-tags');
    const missingManifests = new MissingDigests({ store: moments('missing-manifests'), now });
    const missingBlobs = new MissingDigests({ store: moments('missing-blobs'), now });
    const sightings = new TagSightings({ ...options, flights, kept, missing, missingManifests });
    this.#options = options;
    this.#flights = flights;
    this.#upstreams = createUpstreams(options);
    this.#manifests = new ManifestPulls({ ...options, flights, kept, sightings, missingManifests });
    this.#blobs = new BlobPulls({ ...options, flights, missingBlobs });
    this.#listings = new Listings({ ...options, flights });
  }

  async manifest(
    repository: string,
    reference: Reference,
    { isReplication = false, ...options }: PullOptions & { readonly isReplication?: boolean },
  ): Promise<ServedManifest> {
    const upstream = await this.#upstreams.of(repository);
    const found =
      upstream === undefined
        ? await this.#hosted(repository, reference)
        : reference.kind === 'tag'
          ? await this.#manifests.byTag(upstream, reference.tag, options)
          : await this.#manifests.byDigest(upstream, reference.digest, options);
    const tag = reference.kind === 'tag' ? reference.tag : undefined;
    if (!isReplication) {
      this.#options.accessTimes.manifestPulled({ repository, digest: found.digest, tag });
    }
    return found;
  }

  async headManifest(
    repository: string,
    reference: Reference,
    options: PullOptions,
  ): Promise<ManifestHead> {
    const upstream = await this.#upstreams.of(repository);
    if (upstream === undefined) return this.#hosted(repository, reference);
    return reference.kind === 'tag'
      ? this.#manifests.headByTag(upstream, reference.tag, options)
      : this.#manifests.headByDigest(upstream, reference.digest, options);
  }

  async blob(repository: string, digest: Digest, options: BlobOptions): Promise<PulledBlob> {
    const upstream = await this.#upstreams.of(repository);
    const stored = await this.#blobs.stored(repository, digest);
    if (stored === undefined) {
      if (upstream === undefined) throw await this.#unknown(repository, 'BLOB_UNKNOWN', digest);
      return this.#blobs.open(upstream, digest, options);
    }
    if (upstream !== undefined) this.#blobs.hit(upstream);
    return {
      size: stored.size,
      bytes: stored.bytes,
      path: this.#options.store.pathOf?.(digest),
      read: (into, position, readOptions) => stored.read(into, position, readOptions),
      [Symbol.asyncDispose]: () => stored[Symbol.asyncDispose](),
    };
  }

  async blobSize(
    repository: string,
    digest: Digest,
    options: PullOptions,
  ): Promise<number | undefined> {
    const upstream = await this.#upstreams.of(repository);
    const found = await this.#options.blobs.find(repository, digest);
    if (found !== undefined) return found.size;
    if (upstream === undefined) throw await this.#unknown(repository, 'BLOB_UNKNOWN', digest);
    return this.#blobs.size(upstream, digest, options);
  }

  async tags(repository: string, options: TagListOptions): Promise<readonly string[]> {
    const upstream = await this.#upstreams.of(repository);
    if (upstream !== undefined) return this.#listings.tags(upstream, options);
    return this.#options.tags.list(repository, options);
  }

  async referrers(
    repository: string,
    subject: Digest,
    options: ReferrerListOptions,
  ): Promise<ReferrerPage> {
    const upstream = await this.#upstreams.of(repository);
    if (upstream !== undefined) return this.#listings.referrers(upstream, subject, options);
    return this.#options.referrers.list(repository, subject, options);
  }

  async sourceOf({
    repository,
    digest,
    startedAt,
  }: Pick<StartedFill, 'repository' | 'digest' | 'startedAt'>): Promise<FillSource | undefined> {
    const upstream = await this.#upstreamNow(repository);
    // What was begun for a project that is gone is not for another of its name.
    const isOurs = upstream !== undefined && upstream.project.createdAt <= startedAt;
    return isOurs ? fillSourceOf(upstream, digest) : undefined;
  }

  /** Ends what goes on upstream without anybody waiting for it; fills are the transfers'. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flights[Symbol.asyncDispose]();
  }

  async #hosted(repository: string, reference: Reference): Promise<ServedManifest> {
    const found = await this.#options.manifests.find(repository, reference);
    if (found !== undefined) return found;
    const detail = reference.kind === 'tag' ? { tag: reference.tag } : reference.digest;
    throw await this.#unknown(repository, 'MANIFEST_UNKNOWN', detail);
  }

  async #unknown(repository: string, code: OciErrorCode, detail: unknown): Promise<OciError> {
    const isKnown = (await this.#options.repositories.find(repository)) !== undefined;
    return isKnown
      ? new OciError(code, { detail })
      : new OciError('NAME_UNKNOWN', { detail: { name: repository } });
  }

  /** Undefined where the project is gone, or pulls the repository through no longer. */
  async #upstreamNow(repository: string) {
    try {
      return await this.#upstreams.of(repository);
    } catch (error) {
      if (error instanceof OciError) return undefined;
      throw error;
    }
  }
}
