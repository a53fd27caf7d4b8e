/**
 * Asking upstream where a tag points:
 *
 *     HEAD ── the digest that is cached ──────> noted as checked
 *          ── a digest that is here untagged ─> tagged
 *          ── another digest ─────────────────> to be fetched by it; its tag waits for it
 *          ── refused, or without a digest ───> GET by tag, hashed and kept
 */
import type { FreshnessRule } from '../../policies/freshness.ts';
import type { CacheStore } from '../cache/cache.ts';
import type { StoredManifest } from '../catalog/found-manifests.ts';
import type { Manifests } from '../catalog/manifests.ts';
import type { Tags } from '../catalog/tags.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Reference } from '../oci/reference.ts';
import { failureOf, isStorageFull } from './failures.ts';
import type { Departure, Flight, Flights } from './flights.ts';
import type { KeptManifests, ServedManifest } from './kept-manifests.ts';
import type { MissingDigests } from './missing-digests.ts';
import type { Upstream } from './upstreams.ts';

/** A tag that upstream is asked about. */
export interface TagQuestion {
  readonly upstream: Upstream;
  readonly tag: string;
  readonly rule: FreshnessRule;
  /** What the asker knows; an answer that came since is as good as one that it gets itself. */
  readonly cached: StoredManifest | undefined;
}

/** Where upstream has the tag: what is here by now, or what upstream said of what is not. */
export interface Sighting {
  readonly digest: Digest;
  readonly mediaType: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  readonly manifest: ServedManifest | undefined;
}

export interface TagSightingsOptions {
  readonly manifests: Pick<Manifests, 'find'>;
  readonly tags: Pick<Tags, 'confirm'>;
  readonly kept: KeptManifests;
  /** When upstream last said that it has no such tag; by repository and tag. */
  readonly missing: CacheStore<number>;
  readonly missingManifests: Pick<MissingDigests, 'forget'>;
  readonly flights: Flights;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** What upstream says of tags: one request at a time for each. */
export class TagSightings {
  readonly #options: TagSightingsOptions;
  readonly #asking: Departure<Sighting>;
  readonly #getting: Departure<Sighting>;

  constructor(options: TagSightingsOptions) {
    this.#options = options;
    this.#asking = options.flights.kind();
    this.#getting = options.flights.kind();
  }

  /** By HEAD, where upstream answers that as it should. Rejects with the errors of `registry/errors.ts`, as they are. */
  ask(question: TagQuestion): Flight<Sighting> {
    return this.#asking(keyOf(question), (options) =>
      this.#noting(question, async () => {
        const { upstream, tag } = question;
        const since = await this.#answeredSince(question);
        if (since !== undefined) return since;
        const answer = await upstream.ask(async (peer, path) => {
          const head = await peer.headManifest(path, tag, options);
          if (head?.digest === undefined) return peer.manifest(path, tag, options);
          return { ...head, digest: head.digest };
        }, options);
        return 'bytes' in answer
          ? this.#arrived(question, answer)
          : this.#sighted(question, answer);
      }),
    );
  }

  /** By GET: for registries that do not know by digest what they have by tag. */
  get(question: TagQuestion): Flight<Sighting> {
    return this.#getting(keyOf(question), (options) =>
      this.#noting(question, async () => {
        const { upstream, tag } = question;
        const get = upstream.ask((peer, path) => peer.manifest(path, tag, options), options);
        return this.#arrived(question, await get);
      }),
    );
  }

  /** Milliseconds UTC; undefined when upstream had the tag, or was not asked, or that is forgotten. */
  missingSince(question: TagQuestion): Promise<number | undefined> {
    return this.#options.missing.get(keyOf(question));
  }

  /** Remembers whether upstream has the tag. */
  async #noting(question: TagQuestion, call: () => Promise<Sighting>): Promise<Sighting> {
    const { missing, now } = this.#options;
    const key = keyOf(question);
    try {
      const sighting = await call();
      await missing.delete(key);
      return sighting;
    } catch (error) {
      if (failureOf(error) === 'not-found') {
        await missing.set(key, now(), question.rule.negativeTtl);
      }
      throw error;
    }
  }

  /** A call that ended between the asker's look and its question. */
  async #answeredSince({ upstream, tag, cached }: TagQuestion): Promise<Sighting | undefined> {
    const manifest = await this.#find(upstream, { kind: 'tag', tag });
    const isNew = (manifest?.tag?.checkedAt ?? 0) > (cached?.tag?.checkedAt ?? 0);
    return isNew && manifest !== undefined ? { ...manifest, manifest } : undefined;
  }

  #find(upstream: Upstream, reference: Reference): Promise<StoredManifest | undefined> {
    return this.#options.manifests.find(upstream.repository, reference);
  }

  async #arrived({ upstream, tag }: TagQuestion, manifest: Manifest): Promise<Sighting> {
    const { kept, now } = this.#options;
    const checkedAt = now();
    const { descriptor } = manifest;
    kept.await(upstream, { tag, digest: descriptor.digest, checkedAt });
    const served = await kept.keep(upstream, manifest, checkedAt);
    return { ...descriptor, manifest: served };
  }

  async #sighted(question: TagQuestion, head: Omit<Sighting, 'manifest'>): Promise<Sighting> {
    const { kept, missingManifests, now } = this.#options;
    const { tag, upstream } = question;
    const { digest } = head;
    const checkedAt = now();
    const cached = await this.#find(upstream, { kind: 'tag', tag });
    if (cached?.digest === digest) {
      await this.#confirm(question, digest, checkedAt);
      return { ...head, manifest: cached };
    }
    kept.await(upstream, { tag, digest, checkedAt });
    await missingManifests.forget(upstream, digest);
    const known = await this.#find(upstream, { kind: 'digest', digest });
    if (known === undefined) return { ...head, manifest: undefined };
    const manifest = { bytes: known.bytes, descriptor: known };
    return { ...head, manifest: await kept.keep(upstream, manifest, checkedAt) };
  }

  async #confirm({ upstream, tag }: TagQuestion, digest: Digest, checkedAt: number): Promise<void> {
    try {
      await this.#options.tags.confirm(upstream.repository, tag, digest, checkedAt);
    } catch (error) {
      // Where there is no room to note it, upstream is asked again next time.
      if (!isStorageFull(error)) throw error;
    }
  }
}

function keyOf({ upstream, tag }: TagQuestion): string {
  return `${upstream.key}:${tag}`;
}
