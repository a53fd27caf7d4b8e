import type { ReadOptions } from '../storage/blob-store.ts';
import { clientError, isStorageFull } from './failures.ts';
import type { PassedBlob } from './passing-reader.ts';

/**
 * Follows a blob that is kept while it comes. Where keeping it fails for want of room, its reader goes on from where it
 * is, with whatever `instead` opens then. Throws what the client is told.
 */
export class KeepingReader implements PassedBlob {
  readonly size: number | undefined;
  readonly #instead: (() => Promise<PassedBlob>) | undefined;
  #reader: PassedBlob;

  /** Without `instead`, it only tells the client. */
  constructor(reader: PassedBlob, instead?: () => Promise<PassedBlob>) {
    this.size = reader.size;
    this.#reader = reader;
    this.#instead = instead;
  }

  /** Where the blob turned out to be here already. */
  get bytes(): Buffer | undefined {
    return this.#reader.bytes;
  }

  async read(into: Buffer, position: number, options: ReadOptions): Promise<number> {
    try {
      return await this.#read(into, position, options);
    } catch (error) {
      throw options.signal.aborted ? error : clientError(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
  }

  async #read(into: Buffer, position: number, options: ReadOptions): Promise<number> {
    for (;;) {
      try {
        return await this.#reader.read(into, position, options);
      } catch (error) {
        if (!isStorageFull(error) || this.#instead === undefined) throw error;
      }
      const full = this.#reader;
      this.#reader = await this.#instead();
      await full[Symbol.asyncDispose]();
    }
  }
}
