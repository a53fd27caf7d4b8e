import { createHash } from 'node:crypto';
import { algorithmOf, type Digest } from '../oci/digest.ts';
import type { GrowingFile } from './growing-file.ts';

/** How much is read back at once: as much as is sent at once (docs/performance.md 1). */
const READ_BACK_BYTES = 256 * 1024;

/**
 * The digest of a file that fills up in any order. Bytes that come in order are hashed as they pass, which costs no
 * read; the others are read back, in the background as soon as everything before them is there.
 */
export class RunningDigest {
  readonly #file: GrowingFile;
  readonly #algorithm: 'sha256' | 'sha512';
  readonly #hash;
  #position = 0;
  #reading: Promise<void> | undefined;
  #isPaused = false;

  constructor(digest: Digest, file: GrowingFile) {
    this.#file = file;
    this.#algorithm = algorithmOf(digest);
    this.#hash = createHash(this.#algorithm);
  }

  /** Bytes on their way into the file. */
  passing(chunk: Uint8Array, position: number): void {
    if (this.#reading !== undefined || position !== this.#position) return;
    this.#hash.update(chunk);
    this.#position += chunk.length;
  }

  /** Goes on behind the bytes that are in the file. */
  follow(): void {
    this.#isPaused = false;
    if (this.#reading !== undefined || this.#file.availableAt(this.#position) === 0) return;
    this.#reading = this.#readBack();
    this.#reading.catch(() => {}); // Whoever pauses or finishes hears of it.
  }

  /** Once it resolves, nothing reads the file until {@link follow}. Rejects when reading back failed. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#reading;
  }

  /** For a file that is whole; once only. */
  async finish(): Promise<Digest> {
    await this.#reading;
    this.follow();
    await this.#reading;
    return `${this.#algorithm}:${this.#hash.digest('hex')}`;
  }

  async #readBack(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(READ_BACK_BYTES);
    for (;;) {
      const available = this.#file.availableAt(this.#position);
      // Cleared in the same turn, so that a chunk that passes next is not missed.
      if (available === 0 || this.#isPaused) break;
      const into = buffer.subarray(0, Math.min(available, buffer.length));
      const length = await this.#file.read(into, this.#position);
      this.#hash.update(into.subarray(0, length));
      this.#position += length;
    }
    this.#reading = undefined;
  }
}
