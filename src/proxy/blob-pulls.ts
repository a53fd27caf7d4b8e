/**
 * Blobs of proxy projects, from the first of these that has it:
 *
 *     this repository, here
 *     the same project, here          known to come by the same endpoints
 *     a public project, here          once this repository's own upstream says that it has it too
 *     upstream, kept as it comes      one fill, whoever asks
 *     upstream, passed through        what cannot be kept
 *
 * Bytes that only private projects have are no source, though they are here: an upstream that lies could read them out by
 * naming their digest. It has to bring them.
 */
import type { Blobs } from '../catalog/blobs.ts';
import type { Project } from '../catalog/projects.ts';
import type { Repositories } from '../catalog/repositories.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { BlobReader, BlobStore } from '../storage/blob-store.ts';
import { blobPassedThrough, type CacheOutcome, cacheDecided } from '../telemetry/channels.ts';
import type { Transfers, WantedBlob } from '../transfer/transfers.ts';
import { clientError, failureOf, isStorageFull } from './failures.ts';
import { fillSourceOf } from './fill-sources.ts';
import type { Departure, Flight, Flights } from './flights.ts';
import { KeepingReader } from './keeping-reader.ts';
import type { MissingDigests } from './missing-digests.ts';
import { type PassedBlob, PassingReader } from './passing-reader.ts';
import type { Upstream } from './upstreams.ts';

/** A fill that runs out of room is begun once more after others have made some. */
const MOST_FILLS = 2;

export interface BlobPullsOptions {
  readonly projects: { list(): Promise<readonly Pick<Project, 'name' | 'isPublic'>[]> };
  readonly blobs: Pick<Blobs, 'find' | 'findIn' | 'link' | 'describedSize' | 'heldByProject'>;
  readonly repositories: Pick<Repositories, 'find'>;
  readonly store: Pick<BlobStore, 'open'>;
  readonly transfers: Pick<Transfers, 'open'>;
  readonly missingBlobs: MissingDigests;
  readonly flights: Flights;
  /** How long a client may read next to nothing of a blob that is passed through and keep its transfer. */
  readonly readerPaceMs?: number | undefined;
}

export interface BlobOptions {
  /** Whether it will be read to its end, where it may complete what the client has. */
  readonly whole: boolean;
  readonly signal: AbortSignal;
}

/** All throw what the client is told: OciError BLOB_UNKNOWN and those of an upstream. */
export class BlobPulls {
  readonly #options: BlobPullsOptions;
  readonly #sizing: Departure<number | undefined>;

  constructor(options: BlobPullsOptions) {
    this.#options = options;
    this.#sizing = options.flights.kind();
  }

  /** Undefined where the file of a blob is lost: fetching it again heals that. */
  async stored(repository: string, digest: Digest): Promise<BlobReader | undefined> {
    const { blobs, store } = this.#options;
    if ((await blobs.find(repository, digest)) === undefined) return undefined;
    try {
      return await store.open(digest);
    } catch (error) {
      if (error instanceof OciError && error.code === 'BLOB_UNKNOWN') return undefined;
      throw error;
    }
  }

  /** What `stored` does not have. */
  async open(upstream: Upstream, digest: Digest, options: BlobOptions): Promise<PassedBlob> {
    try {
      const here = await this.#linked(upstream, digest, options);
      publish(upstream, here === undefined ? 'miss' : 'hit');
      return here ?? (await this.#fetched(upstream, digest, options));
    } catch (error) {
      throw options.signal.aborted ? error : clientError(error);
    }
  }

  /** Tells that a blob was served from here. */
  hit(upstream: Upstream): void {
    publish(upstream, 'hit');
  }

  /** Bytes in what is not here, as a manifest or upstream says; undefined where neither does. Downloads nothing. */
  async size(
    upstream: Upstream,
    digest: Digest,
    options: { readonly signal: AbortSignal },
  ): Promise<number | undefined> {
    try {
      return await this.#sizeUpstream(upstream, digest, options);
    } catch (error) {
      throw options.signal.aborted ? error : clientError(error);
    }
  }

  /** Where this node has the bytes, but not in this repository. */
  async #linked(
    upstream: Upstream,
    digest: Digest,
    options: { readonly signal: AbortSignal },
  ): Promise<BlobReader | undefined> {
    const { blobs, repositories } = this.#options;
    // A repository that nobody has pulled from may not exist, and none is made up.
    const isKnown = (await repositories.find(upstream.repository)) !== undefined;
    const isOurs = isKnown && (await blobs.heldByProject(upstream.project.id, digest));
    if (!isOurs) {
      if (!(await this.#isPublic(digest))) return undefined;
      const described = await blobs.describedSize(upstream.repository, digest);
      if (described === undefined) await this.#assertNotMissing(upstream, digest);
      await this.#askSize(upstream, digest).wait(options);
    }
    try {
      const project = upstream.project.id;
      await blobs.link(upstream.repository, digest, 'cache', { project });
    } catch (error) {
      // Collected meanwhile, or kept but not yet told of: it is as if the bytes had not been here.
      if (failureOf(error) === 'not-found' || isStorageFull(error)) return undefined;
      throw error;
    }
    return this.stored(upstream.repository, digest);
  }

  async #isPublic(digest: Digest): Promise<boolean> {
    const { projects, blobs } = this.#options;
    const open = (await projects.list()).filter(({ isPublic }) => isPublic);
    const names = open.map(({ name }) => name);
    return (await blobs.findIn(names, digest)) !== undefined;
  }

  async #fetched(upstream: Upstream, digest: Digest, options: BlobOptions): Promise<PassedBlob> {
    const size = await this.#sizeUpstream(upstream, digest, options);
    const source = fillSourceOf(upstream, digest);
    const { repository } = upstream;
    if (size === undefined) {
      return this.#passed({ digest, size, repository, source }, 'unknown-size');
    }
    const wanted = { digest, size, repository, source };
    const isTooLarge = size > (upstream.settings.maxBlobSize ?? Number.POSITIVE_INFINITY);
    return isTooLarge ? this.#passed(wanted, 'too-large') : this.#kept(wanted, options, MOST_FILLS);
  }

  /** @param fills how often to begin keeping it, each time with the room that there is then */
  async #kept(wanted: WantedBlob, options: BlobOptions, fills: number): Promise<PassedBlob> {
    if (fills === 0) return this.#passed(wanted, 'storage-full');
    const instead = (): Promise<PassedBlob> => this.#kept(wanted, options, fills - 1);
    try {
      return new KeepingReader(await this.#options.transfers.open(wanted, options), instead);
    } catch (error) {
      if (!isStorageFull(error)) throw error;
      return instead();
    }
  }

  #passed(
    { digest, size, repository, source }: Omit<WantedBlob, 'size'> & Pick<PassedBlob, 'size'>,
    reason: 'storage-full' | 'too-large' | 'unknown-size',
  ): PassedBlob {
    if (blobPassedThrough.hasSubscribers) {
      blobPassedThrough.publish({ digest, repository, size, reason });
    }
    const paceMs = this.#options.readerPaceMs;
    return new KeepingReader(new PassingReader(source, { digest, size }, { paceMs }));
  }

  async #sizeUpstream(
    upstream: Upstream,
    digest: Digest,
    options: { readonly signal: AbortSignal },
  ): Promise<number | undefined> {
    const described = await this.#options.blobs.describedSize(upstream.repository, digest);
    if (described !== undefined) return described;
    await this.#assertNotMissing(upstream, digest);
    return this.#askSize(upstream, digest).wait(options);
  }

  /** @throws OciError BLOB_UNKNOWN */
  async #assertNotMissing(upstream: Upstream, digest: Digest): Promise<void> {
    if (!(await this.#options.missingBlobs.has(upstream, digest))) return;
    throw new OciError('BLOB_UNKNOWN', { detail: digest });
  }

  #askSize(upstream: Upstream, digest: Digest): Flight<number | undefined> {
    return this.#sizing(`${upstream.key}@${digest}`, (options) =>
      this.#options.missingBlobs.noting(upstream, digest, () =>
        upstream.ask(async (peer, path) => {
          const said = await peer.blobSize(path, digest, options);
          if (said !== undefined) return said;
          // HEAD is refused, or without a length: the answer to GET has one.
          const range = { start: 0, end: 1 };
          const { size, content } = await peer.blob(path, digest, { ...options, range });
          content.on('error', () => {}).destroy();
          return size;
        }, options),
      ),
    );
  }
}

function publish(upstream: Upstream, outcome: CacheOutcome): void {
  if (!cacheDecided.hasSubscribers) return;
  const { project, host } = upstream;
  cacheDecided.publish({ project: project.name, upstream: host, kind: 'blob', outcome });
}
