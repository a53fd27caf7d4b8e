import type { Readable } from 'node:stream';
import type { OpenBlob } from './peer.ts';
import type { StreamedBody } from './request-body.ts';

export interface BlobSourceOptions {
  readonly signal: AbortSignal;
  readonly sent?: ((bytes: number) => void) | undefined;
}

/** What is open, and how far it was read. */
interface Reading {
  readonly content: Readable;
  readonly pieces: AsyncIterator<Buffer>;
  /** Of the blob, where `left` starts. */
  position: number;
  left: Buffer;
}

/**
 * A blob that leaves in one or several parts. Parts that follow each other are read from one stream; another place is
 * opened anew. Disposing ends what is open.
 */
export class BlobSource implements Disposable {
  readonly #open: OpenBlob;
  readonly #options: BlobSourceOptions;
  #reading: Reading | undefined;

  constructor(open: OpenBlob, options: BlobSourceOptions) {
    this.#open = open;
    this.#options = options;
  }

  /** Half-open. */
  part(start: number, end: number): StreamedBody {
    const { sent } = this.#options;
    return {
      size: end - start,
      open: async ({ signal }) => {
        const reading = await this.#at(start, signal);
        // What comes behind the part is for the next one; what was left of it is asked for again, from elsewhere.
        const leave = (): void => {
          if (reading.position < end) reading.content.destroy();
        };
        signal.addEventListener('abort', leave, { once: true });
        return this.#read(reading, end);
      },
      ...(sent === undefined ? {} : { sent }),
    };
  }

  [Symbol.dispose](): void {
    this.#reading?.content.destroy();
    this.#reading = undefined;
  }

  async #at(start: number, enough: AbortSignal): Promise<Reading> {
    const open = this.#reading;
    if (open?.position === start && !open.content.destroyed) return open;
    this[Symbol.dispose]();
    const opening = new AbortController();
    const stop = (): void => opening.abort(enough.reason);
    enough.addEventListener('abort', stop, { once: true });
    const signal = AbortSignal.any([this.#options.signal, opening.signal]);
    const content = await this.#open(start, { signal });
    enough.removeEventListener('abort', stop);
    // Whoever reads is told; until somebody does, nobody listens.
    content.on('error', () => {});
    const pieces: AsyncIterator<Buffer> = content[Symbol.asyncIterator]();
    this.#reading = { content, pieces, position: start, left: Buffer.alloc(0) };
    return this.#reading;
  }

  async *#read(reading: Reading, end: number): AsyncGenerator<Buffer> {
    while (reading.position < end) {
      if (reading.left.length === 0) {
        const { done, value } = await reading.pieces.next();
        if (done === true) return;
        reading.left = value;
        continue;
      }
      const piece = reading.left.subarray(0, end - reading.position);
      reading.left = reading.left.subarray(piece.length);
      reading.position += piece.length;
      yield piece;
    }
  }
}
