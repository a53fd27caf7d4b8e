import { LRUCache } from 'lru-cache';
import type { RunningTask } from '../jobs/task.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** Of all dry runs. What a larger one shares may be counted again. */
const MOST_BLOBS = 200_000;

/** Whose bytes dry runs have counted, so that a blob which several artifacts share counts once. Gone with the process. */
export class CountedBlobs {
  readonly #counting = new LRUCache<string, number>({ max: MOST_BLOBS });

  /** How many of the missing blobs, and bytes of them, no other task of its execution counts for that place. */
  count(
    { id, execution }: Pick<RunningTask, 'id' | 'execution'>,
    place: string,
    {
      blobs,
      missing,
    }: { readonly blobs: readonly Descriptor[]; readonly missing: readonly Digest[] },
  ): { readonly bytes: number; readonly blobs: number } {
    const wanted = new Set(missing);
    const own = blobs.filter(({ digest }) => {
      if (!wanted.has(digest)) return false;
      const key = `${execution} ${place} ${digest}`;
      // A task that is done again counts the same again.
      const by = this.#counting.get(key) ?? id;
      this.#counting.set(key, by);
      return by === id;
    });
    return { bytes: own.reduce((sum, { size }) => sum + size, 0), blobs: own.length };
  }
}
