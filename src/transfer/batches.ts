import type { Readable } from 'node:stream';

/**
 * The most that is written at once. Larger writes of new file pages cost two to six times the processor time on some
 * machines, smaller ones more system calls (docs/performance.md 8, 2026-11-21).
 */
export const BATCH_BYTES = 64 * 1024;
/** What may lie in memory for a disk that is slower than the network. */
const MOST_QUEUED_BYTES = 4 * BATCH_BYTES;

/**
 * The stream's bytes in order, as they come, in pieces of at most {@link BATCH_BYTES}: alone while the consumer keeps
 * up, gathered while it writes. A piece is valid until the next one is asked for. Leaving the loop early leaves the stream
 * to be destroyed by whoever opened it.
 * Rejects when the stream fails, closes before its end, or says nothing for `silenceMs` while it is waited for.
 */
export async function* batchesOf(
  content: Readable,
  { silenceMs }: { readonly silenceMs: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const inbox = new Inbox(content);
  while (await inbox.filled(silenceMs)) yield inbox.take();
}

class Inbox {
  readonly #content: Readable;
  #chunks: Uint8Array[] = [];
  #queuedBytes = 0;
  #hasEnded = false;
  #failure: Error | undefined;
  #wake: () => void = () => {};
  #gathered: Buffer | undefined;

  constructor(content: Readable) {
    this.#content = content;
    if (content.destroyed) this.#failure = content.errored ?? new Error('the stream is closed');
    // Added first and never removed: a stream that is destroyed may still say why.
    content.on('error', (error) => this.#over(error));
    content.once('close', () => this.#over(new Error('the stream closed before its end')));
    content.once('end', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    content.on('data', (chunk: Uint8Array) => this.#receive(chunk));
  }

  /** Whether there is something to take; false at the end. */
  async filled(silenceMs: number): Promise<boolean> {
    while (this.#chunks.length === 0) {
      if (this.#hasEnded) return false;
      if (this.#failure !== undefined) throw this.#failure;
      await this.#news(silenceMs);
    }
    return true;
  }

  take(): Uint8Array {
    const [first = Buffer.alloc(0)] = this.#chunks;
    const batch = first.length >= BATCH_BYTES || this.#chunks.length === 1 ? first : this.#gather();
    const taken = batch.subarray(0, BATCH_BYTES);
    this.#remove(taken.length);
    if (this.#queuedBytes < MOST_QUEUED_BYTES && this.#content.isPaused()) this.#content.resume();
    return taken;
  }

  #receive(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#queuedBytes += chunk.length;
    if (this.#queuedBytes >= MOST_QUEUED_BYTES) this.#content.pause();
    this.#wake();
  }

  #over(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #gather(): Uint8Array {
    this.#gathered ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    let length = 0;
    for (const chunk of this.#chunks) {
      const piece = chunk.subarray(0, BATCH_BYTES - length);
      this.#gathered.set(piece, length);
      length += piece.length;
      if (length === BATCH_BYTES) break;
    }
    return this.#gathered.subarray(0, length);
  }

  #remove(length: number): void {
    this.#queuedBytes -= length;
    let left = length;
    let whole = 0;
    for (const chunk of this.#chunks) {
      if (chunk.length > left) break;
      left -= chunk.length;
      whole += 1;
    }
    this.#chunks.splice(0, whole);
    const [first] = this.#chunks;
    if (first !== undefined && left > 0) this.#chunks[0] = first.subarray(left);
  }

  #news(silenceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#over(new SilenceError(silenceMs)), silenceMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }
}

/** The stream is open and no byte came for as long as one may wait. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';

  constructor(silenceMs: number) {
    super(`no byte came for ${silenceMs} ms`);
  }
}
