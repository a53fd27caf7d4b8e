import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Source, Waiting } from './sides.ts';

/** Manifests between their choice, their planning and their being put: asking twice would be counted twice (Docker Hub). */
const MANIFEST_BYTES = 64 * 1024 * 1024;

/** By digest, so that what is remembered is right. */
export class ReadManifests {
  readonly #known = new LRUCache<string, Manifest>({
    maxSize: MANIFEST_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length + 1,
  });

  /** What it gave once, it is not asked for again for as long as there is room. */
  over(source: Source): Source {
    return {
      ...source,
      manifest: (repository, digest, options) =>
        this.#read(source, { repository, digest }, options),
    };
  }

  async #read(
    source: Source,
    { repository, digest }: { readonly repository: string; readonly digest: Digest },
    options: Waiting,
  ): Promise<Manifest> {
    const key = `${source.endpoint} ${repository} ${digest}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const manifest = await source.manifest(repository, digest, options);
    this.#known.set(key, manifest);
    return manifest;
  }
}
