import { addAbortSignal } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { UpstreamInvalid, UpstreamThrottled, UpstreamUnavailable } from '../registry/errors.ts';
import type { BlobLane, BlobPart } from '../registry/peer.ts';
import { batchesOf, SilenceError } from './batches.ts';
import type { FillSource } from './fill-source.ts';
import type { GrowingFile } from './growing-file.ts';
import type { TransferLimits } from './limits.ts';

/** What a segment needs of the fill that it is a part of. */
export interface SegmentHost {
  readonly file: GrowingFile;
  readonly source: FillSource;
  readonly host: string;
  readonly limits: TransferLimits;
  readonly random: () => number;
  /** Where the segment has to stop: somebody else brings, or brought, what follows. */
  endOf(segment: Segment): number;
  /** Upstream answered. False: it cannot range, so that only one segment may run, and this is not the one. */
  answered(segment: Segment, part: BlobPart): boolean;
  /** Whether a break may be waited out: not before upstream has answered once, nor while others bring bytes and this one none. */
  mayTryAgain(progressBytes: number): boolean;
  put(chunk: Uint8Array, position: number): Promise<void>;
  interrupted(error: unknown): void;
}

/** One transfer from upstream at a time, from a byte on to wherever bytes are that came or come another way. */
export class Segment {
  readonly start: number;
  /** The last byte that somebody waited for it to bring. */
  wantedAt: number;
  /** Where it ends at the latest. */
  readonly limit: number;
  /** Of one fill, one has the lane of blobs, and the others that of parts. */
  readonly lane: BlobLane;
  /** When upstream answered first, by `performance.now()`. */
  answeredAt: number | undefined;
  #position: number;
  #givesWay = false;
  #receivedBytes = 0;
  readonly #host: SegmentHost;

  constructor(
    start: number,
    { limit, lane }: { readonly limit: number; readonly lane: BlobLane },
    host: SegmentHost,
  ) {
    this.start = start;
    this.limit = limit;
    this.lane = lane;
    this.wantedAt = start;
    this.#position = start;
    this.#host = host;
  }

  /** Where its next byte goes. */
  get position(): number {
    return this.#position;
  }

  /** Ends it with what it is just writing: another one is wanted more. */
  giveWay(): void {
    this.#givesWay = true;
  }

  /**
   * Resolves at its end. What upstream breaks off is asked for again from there, after a pause with jitter; rejects
   * with the last error after so many breaks without a byte between them. Aborting rejects.
   */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    for (let failures = 0; !this.#isDone(); ) {
      const before = this.#receivedBytes;
      try {
        if (await this.#transfer(signal)) continue;
        return;
      } catch (error) {
        signal.throwIfAborted();
        const progress = this.#receivedBytes - before;
        failures = progress > 0 ? 1 : failures + 1;
        const pauseMs = this.#pauseAfter(error, failures);
        if (pauseMs === undefined || !this.#host.mayTryAgain(progress)) throw error;
        this.#host.interrupted(error);
        await delay(pauseMs, undefined, { signal });
      }
    }
  }

  #isDone(): boolean {
    return this.#givesWay || this.#position >= this.#host.endOf(this);
  }

  /** One request. False: there is nothing more to do for this segment. */
  async #transfer(signal: AbortSignal): Promise<boolean> {
    const end = this.#host.endOf(this);
    const { size } = this.#host.file;
    const range = { start: this.#position, ...(end < size ? { end } : {}) };
    const part = await this.#host.source.open(range, { signal, lane: this.lane });
    part.content.on('error', () => {}); // The batches tell of it; a part that nobody reads may fail too.
    addAbortSignal(signal, part.content);
    try {
      this.#check(part);
      if (!this.#host.answered(this, part)) return false;
      // Upstream ignored the range: what is there already is skipped.
      this.#position = part.start;
      return await this.#receive(part, Math.max(end, this.#position), signal);
    } finally {
      // One that has ended stays as it is: its connection serves the next request.
      if (!part.content.readableEnded) part.content.destroy();
    }
  }

  async #receive(part: BlobPart, askedEnd: number, signal: AbortSignal): Promise<boolean> {
    for await (const batch of this.#batches(part)) {
      signal.throwIfAborted();
      await this.#take(batch);
      if (this.#isDone()) return false;
    }
    if (this.#position >= askedEnd) return true;
    throw this.#unavailable('unreachable', new Error('the answer ended early'));
  }

  /** Writes what is missing of it, up to where the segment ends: which may move further while it writes. */
  async #take(batch: Uint8Array): Promise<void> {
    for (let rest = batch; rest.length > 0 && !this.#isDone(); ) {
      const start = this.#position;
      const end = Math.min(start + rest.length, this.#host.endOf(this));
      for (const [from, to] of this.#host.file.gapsBetween(start, end)) {
        await this.#host.put(rest.subarray(from - start, to - start), from);
        this.#receivedBytes += to - from;
      }
      rest = rest.subarray(end - start);
      this.#position = end;
    }
  }

  async *#batches(part: BlobPart): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* batchesOf(part.content, this.#host.limits);
    } catch (cause) {
      if (cause instanceof UpstreamUnavailable) throw cause;
      throw this.#unavailable(cause instanceof SilenceError ? 'timeout' : 'unreachable', cause);
    }
  }

  #check(part: BlobPart): void {
    const { size } = this.#host.file;
    if (part.size !== undefined && part.size !== size) {
      throw new UpstreamInvalid(this.#host.host, `${part.size} bytes where ${size} were announced`);
    }
    if (part.start > this.#position) {
      throw new UpstreamInvalid(
        this.#host.host,
        `bytes from ${part.start} on when asked for those from ${this.#position}`,
      );
    }
  }

  /** Undefined: waiting does not help. */
  #pauseAfter(error: unknown, failures: number): number | undefined {
    const { attempts, backoffMs, maxBackoffMs } = this.#host.limits;
    if (failures >= attempts) return undefined;
    const pauseMs = this.#host.random() * Math.min(maxBackoffMs, backoffMs * 2 ** (failures - 1));
    if (error instanceof UpstreamUnavailable) return pauseMs;
    if (!(error instanceof UpstreamThrottled)) return undefined;
    const askedMs = (error.retryAfterSeconds ?? 0) * 1000;
    return askedMs <= maxBackoffMs ? Math.max(pauseMs, askedMs) : undefined;
  }

  #unavailable(reason: 'unreachable' | 'timeout', cause: unknown): UpstreamUnavailable {
    return new UpstreamUnavailable(this.#host.host, reason, { cause });
  }
}
