import { type Duplex, finished, Readable } from 'node:stream';

/** Enough of an unwanted answer to keep its connection; more is cheaper to cut. */
const MOST_DISCARDED_BYTES = 64 * 1024;
const MOST_DISCARDING_MS = 1000;

/** Of an answer to what was streamed out. */
const MOST_WORDS_BYTES = 64 * 1024;

/** The answer is longer than anything of its kind. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';

  constructor(mostBytes: number) {
    super(`more than ${mostBytes} bytes`);
  }
}

/** All of it. Rejects as the stream does. @throws BodyTooLarge as soon as there are more bytes; the rest is cut off */
export async function readWhole(content: Readable, mostBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const arriving: AsyncIterable<Buffer> = content;
  for await (const chunk of arriving) {
    size += chunk.length;
    // Leaving the loop destroys the stream.
    if (size > mostBytes) throw new BodyTooLarge(mostBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** Nobody wants it; its connection may serve the next request if little is left, and that comes soon. */
export function discard(content: Readable): void {
  let size = 0;
  content.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MOST_DISCARDED_BYTES) content.destroy();
  });
  const tooLong = setTimeout(() => content.destroy(), MOST_DISCARDING_MS);
  finished(content, { writable: false }, () => clearTimeout(tooLong));
}

/**
 * An answer that may have come before all was sent: then its connection is cut, and only so much is left of it as it
 * says why.
 */
export async function wordsOf(stream: Duplex): Promise<Readable> {
  const words = await readWhole(stream, MOST_WORDS_BYTES).catch(() => Buffer.alloc(0));
  stream.destroy();
  return Readable.from([words]);
}
