import type { Digest } from '../oci/digest.ts';

/** Work on one digest happens one after the other, in the order in which it was asked for. */
export class DigestLocks {
  readonly #last = new Map<Digest, Promise<void>>();

  /** Resolves or rejects as `work` does, whatever became of the work before it. */
  async holding<T>(digest: Digest, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(digest);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    this.#last.set(digest, released);
    await before;
    try {
      return await work();
    } finally {
      if (this.#last.get(digest) === released) this.#last.delete(digest);
      release();
    }
  }
}
