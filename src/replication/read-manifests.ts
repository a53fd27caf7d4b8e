import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Source } from './sides.ts';

/** Manifests between their planning and their being put: asking twice would be counted twice (Docker Hub). */
const MANIFEST_BYTES = 64 * 1024 * 1024;

/** By digest, so that what is remembered is right. */
export class ReadManifests {
  readonly #known = new LRUCache<string, Manifest>({
    maxSize: MANIFEST_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length + 1,
  });

  async read(
    source: Source,
    {
      repository,
      digest,
      signal,
    }: { readonly repository: string; readonly digest: Digest; readonly signal: AbortSignal },
  ): Promise<Manifest> {
    const key = `${source.endpoint} ${repository} ${digest}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const manifest = await source.manifest(repository, digest, { signal });
    this.#known.set(key, manifest);
    return manifest;
  }
}
