import { PassThrough, pipeline, type Readable } from 'node:stream';
import { readWhole } from '../registry/body.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import type { BlobLane, BlobPart } from '../registry/peer.ts';
import type { FillSource } from '../transfer/fill-source.ts';
import { DEFAULT_LIMITS } from '../transfer/limits.ts';
import { contentFrom } from './content-from.ts';

export interface ReadAheadLimits {
  /** Bytes. What has less comes by one transfer. */
  readonly largeBytes: number;
  /** Bytes of one part. */
  readonly partBytes: number;
  /** Parts of a blob at once. */
  readonly atOnce: number;
  /** Bytes a second: where one transfer alone is as fast as that, it brings the whole blob. */
  readonly fastBytes: number;
  /** Bytes of parts that wait for their turn, of all blobs together. */
  readonly waitingBytes: number;
}

const LIMITS: ReadAheadLimits = {
  largeBytes: 64 * 2 ** 20,
  partBytes: 4 * 2 ** 20,
  atOnce: 4,
  fastBytes: DEFAULT_LIMITS.fastBytes,
  waitingBytes: 64 * 2 ** 20,
};

/** A blob whose bytes are handed on as they come. */
export interface AheadBlob {
  /** Undefined where several ranges gain nothing: of this node, which is not far away, and of what is held back on purpose. */
  readonly host: string | undefined;
  /** Bytes. */
  readonly size: number;
  readonly open: FillSource['open'];
}

interface FarBlob extends AheadBlob {
  readonly host: string;
}

interface Part {
  readonly start: number;
  /** Of one blob, one has the lane of blobs, and the others that of parts. */
  readonly lane: BlobLane;
  readonly bytes: Promise<Buffer>;
  /** Counted among those that wait. */
  readonly waitingBytes: number;
}

/**
 * Reads large blobs in order for who keeps none of them: by several ranges at once where one alone is slow, as it is on a
 * line that is long and loses packets. The first part tells. Parts that come too early wait in memory; where one fails, all
 * that follows comes by one request, since the registry may not bear several.
 */
export class ReadAhead {
  readonly #limits: ReadAheadLimits;
  #waitingBytes = 0;

  constructor(limits: Partial<ReadAheadLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /** The bytes from `start` on. Destroying them ends all transfers. @throws what `open` does */
  async read(
    blob: AheadBlob,
    start: number,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Readable> {
    const { largeBytes, partBytes } = this.#limits;
    const { host } = blob;
    if (host === undefined || blob.size - start < largeBytes) {
      return contentFrom(await blob.open({ start }, { signal }), start);
    }
    const end = start + partBytes;
    const first = await blob.open({ start, end }, { signal });
    // It gives no ranges, and all of it is on its way.
    if (first.start < start || (first.end ?? end) > end) return contentFrom(first, start);
    const content = new PassThrough();
    const closing = new AbortController();
    content.on('close', () => closing.abort());
    const until = { start, signal: AbortSignal.any([signal, closing.signal]) };
    pipeline(this.#chunks({ ...blob, host }, first, until), content, () => {}); // Its reader hears of it.
    return content;
  }

  async *#chunks(
    blob: FarBlob,
    first: BlobPart,
    { start, signal }: { readonly start: number; readonly signal: AbortSignal },
  ): AsyncGenerator<Buffer> {
    const { partBytes, fastBytes } = this.#limits;
    const beganAt = performance.now();
    const bytes = await wholePart(blob, first, { start, end: start + partBytes, signal });
    const seconds = (performance.now() - beganAt) / 1000;
    yield bytes;
    const position = start + partBytes;
    const isSlow = partBytes < fastBytes * seconds;
    if (isSlow) yield* this.#inOrder(blob, position, signal);
    else yield* contentFrom(await blob.open({ start: position }, { signal }), position);
  }

  async *#inOrder(blob: FarBlob, start: number, signal: AbortSignal): AsyncGenerator<Buffer> {
    const coming: Part[] = [];
    const asking = new AbortController();
    const asked = { coming, signal: AbortSignal.any([signal, asking.signal]) };
    let position = start;
    try {
      for (;;) {
        position = this.#askAhead(blob, position, asked);
        const next = coming.shift();
        if (next === undefined) return;
        const bytes = await this.#arrived(next);
        if (bytes === undefined) {
          signal.throwIfAborted();
          position = next.start;
          break;
        }
        yield bytes;
      }
    } finally {
      asking.abort();
      for (const { waitingBytes } of coming) this.#waitingBytes -= waitingBytes;
    }
    yield* contentFrom(await blob.open({ start: position }, { signal }), position);
  }

  /** @returns where the next one begins that was not asked for */
  #askAhead(
    blob: FarBlob,
    start: number,
    { coming, signal }: { readonly coming: Part[]; readonly signal: AbortSignal },
  ): number {
    let position = start;
    while (position < blob.size && this.#mayAsk(coming.length)) {
      const range = {
        start: position,
        end: Math.min(blob.size, position + this.#limits.partBytes),
      };
      const lane = coming.some((part) => part.lane === 'blob') ? 'part' : 'blob';
      coming.push(this.#ask(blob, range, { isNext: coming.length === 0, lane, signal }));
      position = range.end;
    }
    return position;
  }

  /** The one that is needed next always; others while there is room for them. */
  #mayAsk(coming: number): boolean {
    if (coming === 0) return true;
    const { atOnce, partBytes, waitingBytes } = this.#limits;
    return coming < atOnce && this.#waitingBytes + partBytes <= waitingBytes;
  }

  #ask(
    blob: FarBlob,
    range: { readonly start: number; readonly end: number },
    way: { readonly isNext: boolean; readonly lane: BlobLane; readonly signal: AbortSignal },
  ): Part {
    const { isNext, lane, signal } = way;
    const waitingBytes = isNext ? 0 : range.end - range.start;
    this.#waitingBytes += waitingBytes;
    const bytes = partOf(blob, range, { lane, signal });
    bytes.catch(() => {}); // Who waits for it hears of it, if the parts before it come.
    return { start: range.start, lane, bytes, waitingBytes };
  }

  /** Undefined where it failed. */
  async #arrived({ bytes, waitingBytes }: Part): Promise<Buffer | undefined> {
    try {
      return await bytes;
    } catch {
      return undefined;
    } finally {
      this.#waitingBytes -= waitingBytes;
    }
  }
}

async function partOf(
  blob: FarBlob,
  range: { readonly start: number; readonly end: number },
  options: { readonly lane: BlobLane; readonly signal: AbortSignal },
): Promise<Buffer> {
  return wholePart(blob, await blob.open(range, options), { ...range, signal: options.signal });
}

/** All of it, read at the pace of the line. @throws UpstreamInvalid */
async function wholePart(
  { host }: FarBlob,
  part: BlobPart,
  asked: { readonly start: number; readonly end: number; readonly signal: AbortSignal },
): Promise<Buffer> {
  const { start, end, signal } = asked;
  const size = end - start;
  const destroy = (): void => void part.content.destroy();
  signal.addEventListener('abort', destroy, { once: true });
  try {
    if (part.start !== start) throw new UpstreamInvalid(host, 'a range, and then none of a blob');
    const bytes = await readWhole(part.content, size);
    if (bytes.length === size) return bytes;
    throw new UpstreamInvalid(host, `${bytes.length} bytes where ${size} were asked for`);
  } finally {
    signal.removeEventListener('abort', destroy);
    // One that has ended stays as it is: its connection serves the next request.
    if (!part.content.readableEnded) destroy();
  }
}
