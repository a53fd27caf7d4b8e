import { createHash, type Hash } from 'node:crypto';
import { algorithmOf, type Digest } from '../oci/digest.ts';
import { UpstreamInvalid, UpstreamUnavailable } from '../registry/errors.ts';
import type { BlobReader, ReadOptions } from '../storage/blob-store.ts';
import type { FillSource } from '../transfer/fill-source.ts';
import { waitFor } from './flights.ts';
import { ReaderPace } from './reader-pace.ts';

/** Breaks in a row without a byte between them until upstream is given up; the pauses are the client's of the registry. */
const MOST_BREAKS = 3;

const NOTHING = new Uint8Array();

/** A slower reader lets others have its transfer. */
const PACE_MS = 30_000;

/** One answer of upstream, read from a position on. */
interface Stream {
  readonly chunks: AsyncIterator<unknown>;
  readonly end: () => void;
  /** Bytes before the position, of an upstream that ignores where it was asked to begin. */
  unwanted: number;
  /** What came and was not read yet. */
  rest: Uint8Array;
}

/** A blob that nobody may know the size of before its end, where reading it resolves to 0. */
export interface PassedBlob extends Omit<BlobReader, 'size'> {
  readonly size: number | undefined;
}

/**
 * A blob straight from upstream, kept nowhere: one transfer from where the client reads, another where it jumps or upstream
 * breaks off. No byte is fetched before it is asked for, but for what the sockets hold. Somebody who reads all of it from the
 * start gets the last bytes only if the digest agrees.
 *
 * One that takes next to nothing for half a minute gives its transfer up, and with it its place among those that the host is asked
 * for at once; when it reads on, it gets another in its turn, where upstream gives parts of a blob.
 */
export class PassingReader implements PassedBlob {
  readonly size: number | undefined;
  readonly #digest: Digest;
  readonly #source: FillSource;
  readonly #host: string;
  readonly #leave = new AbortController();
  readonly #hash: Hash;
  readonly #pace: ReaderPace;
  /** It was too slow, and the next transfer is one more than there had to be. */
  #isGivenUp = false;
  #hashed = 0;
  #stream: Stream | undefined;
  #position = 0;

  constructor(
    source: FillSource,
    blob: { readonly digest: Digest; readonly size: number | undefined },
    { paceMs = PACE_MS }: { readonly paceMs?: number | undefined } = {},
  ) {
    this.size = blob.size;
    this.#digest = blob.digest;
    this.#source = source;
    this.#host = source.host ?? 'upstream';
    this.#hash = createHash(algorithmOf(blob.digest));
    this.#pace = new ReaderPace(paceMs, () => this.#giveUp());
  }

  /** One read at a time. @throws UpstreamInvalid, and what the source throws once upstream is given up */
  async read(into: Buffer, position: number, { signal }: ReadOptions): Promise<number> {
    signal.throwIfAborted();
    const wanted = Math.min(into.length, (this.size ?? Number.POSITIVE_INFINITY) - position);
    if (wanted <= 0) return 0;
    if (position !== this.#position) this.#close();
    this.#position = position;
    const length = await this.#pace.reading(() =>
      waitFor(this.#fill(into.subarray(0, wanted)), { signal }),
    );
    this.#check(into.subarray(0, length), position);
    this.#position = position + length;
    return length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pace[Symbol.dispose]();
    this.#close();
    this.#leave.abort(new Error('the reader of a blob has left'));
  }

  async #fill(into: Buffer): Promise<number> {
    for (let breaks = 1; ; breaks += 1) {
      const stream = (this.#stream ??= await this.#open(this.#position));
      try {
        const length = await take(stream, into);
        if (length > 0 || this.size === undefined) return length;
        throw new Error('the stream ended before the blob');
      } catch (cause) {
        this.#close();
        if (!this.#leave.signal.aborted && breaks < MOST_BREAKS) continue;
        throw new UpstreamUnavailable(this.#host, 'unreachable', { cause });
      }
    }
  }

  async #open(position: number): Promise<Stream> {
    const { signal } = this.#leave;
    const part = await this.#source.open({ start: position }, { signal, lane: 'passed' });
    const chunks: AsyncIterator<unknown> = part.content[Symbol.asyncIterator]();
    const end = (): void => void part.content.on('error', () => {}).destroy();
    const isThatLarge = this.size === undefined || (part.size ?? this.size) === this.size;
    if (this.#isGivenUp && part.start < position) {
      end();
      const cause = new Error('it would send all of the blob again for a reader that is too slow');
      throw new UpstreamUnavailable(this.#host, 'timeout', { cause });
    }
    if (part.start <= position && isThatLarge) {
      return { chunks, end, unwanted: position - part.start, rest: NOTHING };
    }
    end();
    throw new UpstreamInvalid(this.#host, `other bytes of ${this.#digest} than were asked for`);
  }

  #giveUp(): void {
    if (this.#stream === undefined) return;
    this.#isGivenUp = true;
    this.#close();
  }

  #close(): void {
    this.#stream?.end();
    this.#stream = undefined;
  }

  #check(bytes: Uint8Array, position: number): void {
    if (position !== this.#hashed) return;
    this.#hash.update(bytes);
    this.#hashed += bytes.length;
    const isEnd = this.size === undefined ? bytes.length === 0 : this.#hashed === this.size;
    if (!isEnd || this.#hash.digest('hex') === hexOf(this.#digest)) return;
    throw new UpstreamInvalid(this.#host, `its bytes for ${this.#digest} have another digest`);
  }
}

/** Resolves to 0 only at the stream's end. Rejects when it fails. */
async function take(stream: Stream, into: Buffer): Promise<number> {
  while (stream.rest.length === 0) {
    const { done, value } = await stream.chunks.next();
    if (done === true) return 0;
    if (!(value instanceof Uint8Array)) continue;
    stream.rest = value.subarray(Math.min(stream.unwanted, value.length));
    stream.unwanted -= value.length - stream.rest.length;
  }
  const length = Math.min(into.length, stream.rest.length);
  into.set(stream.rest.subarray(0, length));
  stream.rest = stream.rest.subarray(length);
  return length;
}

function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}
