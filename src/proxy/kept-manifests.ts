import { LRUCache } from 'lru-cache';
import type { Manifests } from '../catalog/manifests.ts';
import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import { isStorageFull } from './failures.ts';
import type { Upstream } from './upstreams.ts';

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

type KeepingUpstream = Pick<Upstream, 'repository' | 'key' | 'project'>;

const MOST_AWAITED = 10_000;

/**
 * Keeps manifests that come from upstream, each under the tags that upstream has for it. A client that resolves a tag by
 * HEAD fetches the manifest by digest (dockerd, containerd): without remembering the first, the tag would never be here.
 */
export class KeptManifests {
  readonly #manifests: Pick<Manifests, 'arrive'>;
  /** By the upstream's key and the digest: tags, and when upstream said so. */
  readonly #awaited = new LRUCache<string, Map<string, number>>({ max: MOST_AWAITED });

  constructor(manifests: Pick<Manifests, 'arrive'>) {
    this.#manifests = manifests;
  }

  /** Its manifest will get the tag when it comes. */
  await({ key: upstream }: KeepingUpstream, { tag, digest, checkedAt }: TagSighting): void {
    const key = `${upstream}@${digest}`;
    const tags = this.#awaited.get(key) ?? new Map<string, number>();
    this.#awaited.set(key, tags.set(tag, checkedAt));
  }

  /**
   * Where there is no room for it, the manifest is served all the same. `at` is milliseconds UTC.
   *
   * @throws OciError NAME_UNKNOWN where the upstream's project was removed meanwhile
   */
  async keep(upstream: KeepingUpstream, manifest: Manifest, at: number): Promise<ServedManifest> {
    const { repository } = upstream;
    const project = upstream.project.id;
    const { bytes, descriptor } = manifest;
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const key = `${upstream.key}@${descriptor.digest}`;
    const tags = this.#awaited.get(key);
    this.#awaited.delete(key);
    try {
      const sightings: (readonly [string | undefined, number])[] = [...(tags ?? [])];
      if (sightings.length === 0) sightings.push([undefined, at]);
      for (const [tag, checkedAt] of sightings) {
        await this.#manifests.arrive(repository, { manifest, parsed, tag, checkedAt, project });
      }
    } catch (error) {
      if (!isStorageFull(error)) throw error;
    }
    return { ...descriptor, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
  }
}
