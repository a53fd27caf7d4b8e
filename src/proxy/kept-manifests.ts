import { LRUCache } from 'lru-cache';
import type { Manifests } from '../catalog/manifests.ts';
import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import { isStorageFull } from './failures.ts';

/** What a client gets of a manifest. */
export interface ManifestHead {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** Why the answer may not be the newest, for people. */
  readonly warning?: string | undefined;
}

export interface ServedManifest extends ManifestHead {
  readonly bytes: Buffer;
}

/** Upstream said where a tag points. */
interface TagSighting {
  readonly tag: string;
  readonly digest: Digest;
  /** Milliseconds UTC. */
  readonly checkedAt: number;
}

const MOST_AWAITED = 10_000;

/**
 * Keeps manifests that come from upstream, each under the tags that upstream has for it. A client that resolves a tag by
 * HEAD fetches the manifest by digest (dockerd, containerd): without remembering the first, the tag would never be here.
 */
export class KeptManifests {
  readonly #manifests: Pick<Manifests, 'arrive'>;
  /** By repository and digest: tags, and when upstream said so. */
  readonly #awaited = new LRUCache<string, Map<string, number>>({ max: MOST_AWAITED });

  constructor(manifests: Pick<Manifests, 'arrive'>) {
    this.#manifests = manifests;
  }

  /** Its manifest will get the tag when it comes. */
  await(repository: string, { tag, digest, checkedAt }: TagSighting): void {
    const key = `${repository}@${digest}`;
    const tags = this.#awaited.get(key) ?? new Map<string, number>();
    this.#awaited.set(key, tags.set(tag, checkedAt));
  }

  /** Where there is no room for it, the manifest is served all the same. `at` is milliseconds UTC. */
  async keep(repository: string, manifest: Manifest, at: number): Promise<ServedManifest> {
    const { bytes, descriptor } = manifest;
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const key = `${repository}@${descriptor.digest}`;
    const tags = this.#awaited.get(key);
    this.#awaited.delete(key);
    try {
      const sightings: (readonly [string | undefined, number])[] = [...(tags ?? [])];
      if (sightings.length === 0) sightings.push([undefined, at]);
      for (const [tag, checkedAt] of sightings) {
        await this.#manifests.arrive(repository, { manifest, parsed, tag, checkedAt });
      }
    } catch (error) {
      if (!isStorageFull(error)) throw error;
    }
    return { ...descriptor, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
  }
}
