import type { BlobReader, ReadOptions } from '../storage/blob-store.ts';
import type { Fill } from './fill.ts';

/**
 * Reads a blob while it arrives, behind or ahead of it, as fast as its reader likes: nobody else waits for that.
 * `whole`: somebody who reads to the end, and must not have a complete file whose digest did not agree. Whoever reads the
 * first byte may come to have all of them, and is taken for one.
 */
export class Follower implements BlobReader {
  readonly size: number;
  readonly #fill: Fill;
  #whole: boolean;
  #hasLeft = false;

  constructor(fill: Fill, { whole }: { readonly whole: boolean }) {
    this.size = fill.size;
    this.#fill = fill;
    this.#whole = whole;
  }

  /** @throws StorageFull when the bytes cannot be kept here, and whatever upstream was given up for */
  async read(into: Buffer, position: number, options: ReadOptions): Promise<number> {
    options.signal.throwIfAborted();
    if (this.#hasLeft) throw new Error('read of a blob after its reader was disposed');
    if (position >= this.size || into.length === 0) return 0;
    this.#whole ||= position === 0;
    for (;;) {
      const readable = this.#fill.readableAt(position, { whole: this.#whole });
      if (readable > 0) return this.#fill.read(into.subarray(0, readable), position);
      await this.#fill.news(position, options);
    }
  }

  /** The fill goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    await this.#fill.leave();
  }
}
