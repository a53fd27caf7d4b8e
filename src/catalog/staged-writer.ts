import type { Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { OciError } from '../oci/error.ts';
import type { StagedFile } from '../storage/blob-store.ts';

/**
 * Written at once. More than that of new file pages costs two to six times the processor time on some machines, less
 * costs system calls (docs/performance.md 8, 2026-11-21).
 */
const WRITE_BYTES = 64 * 1024;
/** A chunk of at least this much is written as it came; smaller ones are gathered. */
const DIRECT_BYTES = WRITE_BYTES / 2;

export interface ReceiveOptions {
  /** Bytes that the source has to have. */
  readonly length?: number | undefined;
  /** Aborting destroys the source and rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Takes a stream into a staged file from `position` on, hashing what passes while what came before is written. */
export class StagedWriter {
  readonly #file: StagedFile;
  readonly #hash: Hash;
  #position: number;
  #writing: Promise<void> = Promise.resolve();
  /** What is gathered, and its alternate, which may be on its way into the file. */
  #gathered: Buffer | undefined;
  #alternate: Buffer | undefined;
  #gatheredBytes = 0;
  #failure: unknown;

  constructor(file: StagedFile, { hash, position }: { hash: Hash; position: number }) {
    this.#file = file;
    this.#hash = hash;
    this.#position = position;
  }

  /** Where the next byte goes; after {@link receive}, however it ended, everything before is written and hashed. */
  get position(): number {
    return this.#position + this.#gatheredBytes;
  }

  /** The file did not take what it was given: what is in it is not to be trusted. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * Leaves the source open where it was not read to its end, so that its owner can still answer.
   *
   * @throws OciError SIZE_INVALID as soon as it is longer than `length`, or at its end; StorageFull; what the source threw
   */
  async receive(source: Readable, { length, signal }: ReceiveOptions): Promise<void> {
    signal.throwIfAborted();
    const stop = (): void => {
      source.destroy();
    };
    signal.addEventListener('abort', stop);
    try {
      await this.#take(source, length);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#flush();
    }
  }

  async #take(source: Readable, length: number | undefined): Promise<void> {
    let size = 0;
    const chunks: AsyncIterable<unknown> = source.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('an upload is a stream of bytes');
      size += chunk.length;
      if (length !== undefined && size > length) break;
      this.#hash.update(chunk);
      await this.#write(chunk);
    }
    if (length === undefined || size === length) return;
    throw new OciError('SIZE_INVALID', { detail: { expected: length, size } });
  }

  async #write(chunk: Uint8Array): Promise<void> {
    if (this.#gatheredBytes === 0 && chunk.length >= DIRECT_BYTES) {
      for (let start = 0; start < chunk.length; start += WRITE_BYTES) {
        await this.#put(chunk.subarray(start, start + WRITE_BYTES));
      }
      return;
    }
    for (let start = 0; start < chunk.length; ) {
      this.#gathered ??= Buffer.allocUnsafeSlow(WRITE_BYTES);
      const piece = chunk.subarray(start, start + WRITE_BYTES - this.#gatheredBytes);
      this.#gathered.set(piece, this.#gatheredBytes);
      this.#gatheredBytes += piece.length;
      start += piece.length;
      if (this.#gatheredBytes === WRITE_BYTES) await this.#putGathered();
    }
  }

  /** Resolves as soon as the write before is done, so that one is under way while the next bytes come in. */
  async #put(bytes: Uint8Array): Promise<void> {
    await this.#settled();
    this.#writing = this.#file.write(bytes, this.#position);
    this.#writing.catch(() => {}); // Awaited before the next write, or by the flush.
    this.#position += bytes.length;
  }

  async #putGathered(): Promise<void> {
    if (this.#gathered === undefined || this.#gatheredBytes === 0) return;
    const bytes = this.#gathered.subarray(0, this.#gatheredBytes);
    // The alternate is free again once this resolves, since the write before is done by then.
    [this.#gathered, this.#alternate] = [this.#alternate, this.#gathered];
    this.#gatheredBytes = 0;
    await this.#put(bytes);
  }

  async #flush(): Promise<void> {
    if (this.hasFailed) return;
    await this.#putGathered();
    await this.#settled();
  }

  async #settled(): Promise<void> {
    try {
      await this.#writing;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}
