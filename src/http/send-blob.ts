import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ByteRange } from './ranges.ts';

/** Bytes by position, whether the blob lies whole in storage or is still arriving from upstream. */
export interface BlobReader extends AsyncDisposable {
  /** Bytes; undefined where nobody knows before the end. */
  readonly size: number | undefined;
  /** The whole content, where it is small and in memory already. */
  readonly bytes?: Buffer | undefined;
  /** Where the blob lies below the storage folder, if it does so whole. */
  readonly path?: string | undefined;
  /** Reads into the start of `into`; waits for what has not arrived yet. Resolves to the bytes read, 0 only at the end. */
  read(into: Buffer, position: number, options: { signal: AbortSignal }): Promise<number>;
}

// Less costs system calls, more gains nothing (docs/performance.md 1, 2026-11-20).
const CHUNK_BYTES = 256 * 1024;
const MOST_IDLE_CHUNKS = 64;
const idleChunks: Buffer[] = [];

/**
 * Sends a range, which of a blob of unknown size goes to Infinity, and leaves the answer open. Without streams: a buffer
 * for every chunk makes the garbage collector the bottleneck, 2.5 to 5 times the processor time of this loop (same
 * source). Nothing is written before the first bytes are there, so that a failure up to then can still be answered.
 *
 * @throws what reading throws, and the signal's reason
 */
export async function sendBlob(
  response: ServerResponse,
  blob: BlobReader,
  { start, end }: ByteRange,
  options: { signal: AbortSignal },
): Promise<void> {
  if (blob.bytes !== undefined) {
    // Small, and nobody else's to reuse: there is nothing to wait for.
    response.write(blob.bytes.subarray(start, end));
    return;
  }
  // Two pooled buffers: one is filled while the other is on its way.
  let filling = takeChunk();
  let sending = takeChunk();
  let sent = Promise.resolve();
  let isFilling = false;
  let isOnItsWay = false;
  const { promise: gone, reject: leave } = Promise.withResolvers<never>();
  gone.catch(() => {});
  const onAbort = (): void => leave(options.signal.reason);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    options.signal.throwIfAborted();
    for (let position = start; position < end; ) {
      const wanted = filling.subarray(0, Math.min(CHUNK_BYTES, end - position));
      isFilling = true;
      const length = await blob.read(wanted, position, options);
      isFilling = false;
      if (length === 0 && blob.size === undefined) break;
      if (length === 0) throw new Error(`blob ended at byte ${position} of ${blob.size}`);
      await Promise.race([sent, gone]);
      isOnItsWay = true;
      sent = written(response, wanted.subarray(0, length)).finally(() => {
        isOnItsWay = false;
      });
      sent.catch(() => {}); // Awaited a turn later; until then a failure must not count as unhandled.
      position += length;
      [filling, sending] = [sending, filling];
    }
    await Promise.race([sent, gone]);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    // A buffer that may still be read or written must not be handed to another request: a reader that was left may go on
    // writing into its own. Nobody waits for either.
    if (!isOnItsWay && !isFilling) giveBack(filling, sending);
  }
}

/** Sends each part with a head of its own (RFC 9110 section 14.6), in the order given, and leaves the answer open. */
export async function sendParts(
  response: ServerResponse,
  blob: BlobReader,
  { heads, ranges, tail }: Multipart,
  options: { signal: AbortSignal },
): Promise<void> {
  for (const [index, range] of ranges.entries()) {
    response.write(heads[index] ?? '');
    await sendBlob(response, blob, range, options);
  }
  response.write(tail);
}

export interface Multipart {
  readonly contentType: string;
  /** Bytes of the whole body. */
  readonly length: number;
  readonly ranges: readonly ByteRange[];
  /** What stands before each part. */
  readonly heads: readonly string[];
  readonly tail: string;
}

export function multipartOf(ranges: readonly ByteRange[], size: number, type: string): Multipart {
  const boundary = randomBytes(16).toString('hex');
  const heads = ranges.map(
    ({ start, end }, index) =>
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\n` +
      `Content-Range: bytes ${start}-${end - 1}/${size}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  let length = tail.length;
  for (const head of heads) length += head.length;
  for (const { start, end } of ranges) length += end - start;
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length,
    ranges,
    heads,
    tail,
  };
}

function written(response: ServerResponse, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function takeChunk(): Buffer {
  return idleChunks.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
}

function giveBack(...chunks: Buffer[]): void {
  idleChunks.push(...chunks.slice(0, MOST_IDLE_CHUNKS - idleChunks.length));
}
