import type { BlobLane, BlobPart } from '../registry/peer.ts';
import { bringerOf, type Courses, firstUnasked, leaderOf, reachOf } from './courses.ts';
import type { FillSource } from './fill-source.ts';
import type { GrowingFile } from './growing-file.ts';
import type { TransferLimits } from './limits.ts';
import { Parts } from './parts.ts';
import { Segment, type SegmentHost } from './segment.ts';

export interface RunParts {
  readonly file: GrowingFile;
  readonly source: FillSource;
  /** For errors. */
  readonly host: string;
  readonly limits: TransferLimits;
  readonly random: () => number;
  /** Writes bytes that are missing. */
  readonly put: (chunk: Uint8Array, position: number) => Promise<void>;
  /** Opens the file, where bytes of it are here already. */
  readonly prepare: () => Promise<void>;
  /** Upstream answered for the first time. */
  readonly began: () => void;
  /** Upstream broke off and is asked again. */
  readonly interrupted: (error: unknown) => void;
}

/**
 * Brings what is missing in a file from one upstream:
 *
 *     0                                                     size
 *     |=====present=====>segment 1 …  |====>segment 2 …  |==|
 *
 * One segment goes through the gaps from the first on, or several do ({@link Parts}), each through its part. A reader that
 * waits for a byte that none will bring soon gets a segment that begins there; each stops where another began or bytes are
 * present. No byte is asked for twice. Where as many run as may, one that is ahead of all readers ends for one that is
 * waited for.
 */
export class FillRun implements SegmentHost {
  readonly file: GrowingFile;
  readonly source: FillSource;
  readonly host: string;
  readonly limits: TransferLimits;
  readonly random: () => number;
  readonly #parts: RunParts;
  readonly #abort = new AbortController();
  readonly #segments = new Set<Segment>();
  readonly #courses: Courses<Segment>;
  #inParts: Parts | undefined;
  readonly #opened = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  #hasAnswered = false;
  #canRange = true;
  #mayRunSeveral = true;
  /** Somebody waits for a byte that no segment brings soon, and no further one may run. */
  #isOneTooMany = false;
  #isOver = false;

  constructor(parts: RunParts) {
    this.file = parts.file;
    this.source = parts.source;
    this.host = parts.host;
    this.limits = parts.limits;
    this.random = parts.random;
    this.#parts = parts;
    const { soonBytes } = parts.limits;
    this.#courses = { file: parts.file, running: this.#segments, soonBytes };
    this.#opened.promise.catch(() => {}); // The askers hear of it, if there are any.
    this.#done.promise.catch(() => {}); // The fill awaits it a turn later.
  }

  /** Resolves when upstream has answered; rejects with its error as it is. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  /** Resolves when nothing is missing; rejects when upstream was given up, or with the reason of {@link abort}. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Begins; call it once. */
  start(): void {
    this.#parts.prepare().then(
      () => this.#goOn(),
      (error: unknown) => this.#over(error),
    );
  }

  /** Ends all transfers, and then rejects {@link done} with the reason. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Somebody waits for a byte that is missing. */
  wanted(position: number): void {
    if (!this.#hasAnswered || this.#isOver || this.#abort.signal.aborted) return;
    const coming = bringerOf(position, this.#courses);
    const mostSegments = this.#mayRunSeveral ? this.limits.segments : 1;
    if (coming !== undefined) coming.wantedAt = position;
    else if (this.#segments.size < mostSegments) {
      this.#begin(position, { limit: this.file.size, lane: 'blob' });
    } else this.#makeWay();
  }

  endOf(segment: Segment): number {
    const { file } = this;
    if (!this.#canRange) {
      return file.gapsBetween(segment.position, file.size).at(-1)?.[1] ?? segment.position;
    }
    return file.availableAt(segment.position) > 0
      ? segment.position
      : reachOf(segment, this.#courses);
  }

  answered(segment: Segment, part: BlobPart): boolean {
    this.#began();
    const goesTooFar = segment.limit < this.file.size && (part.end ?? 0) > segment.limit;
    const ignoredRange = part.start < segment.position || goesTooFar;
    if (ignoredRange) {
      this.#runOne();
      if (this.#segments.size > 1) return false;
      this.#canRange = false;
    }
    segment.answeredAt ??= performance.now();
    this.#lookAround();
    return true;
  }

  mayTryAgain(progressBytes: number): boolean {
    return this.#hasAnswered && (progressBytes > 0 || this.#segments.size === 1);
  }

  async put(chunk: Uint8Array, position: number): Promise<void> {
    await this.#parts.put(chunk, position);
    if (this.#isOneTooMany) this.#lookAround();
  }

  interrupted(error: unknown): void {
    this.#parts.interrupted(error);
  }

  #goOn(): void {
    if (this.#abort.signal.aborted) return this.#over(this.#abort.signal.reason);
    this.#lookAround();
    this.#fillSlots();
    if (this.#segments.size > 0) return;
    this.#isOver = true;
    this.#began();
    this.#done.resolve();
  }

  #fillSlots(): void {
    const { file, source, limits } = this;
    const missingBytes = file.size - file.presentBytes;
    this.#inParts ??= new Parts(missingBytes, { ...limits, inParts: source.inParts ?? false });
    while (this.#segments.size < this.#inParts.most) {
      const position = firstUnasked(this.#courses);
      if (position === undefined) return;
      const isFirst = ![...this.#segments].some(({ lane }) => lane === 'blob');
      this.#begin(position, {
        limit: Math.min(file.size, position + this.#inParts.next(missingBytes)),
        lane: isFirst ? 'blob' : 'part',
      });
    }
  }

  #runOne(): void {
    this.#mayRunSeveral = false;
    this.#inParts?.giveUp();
  }

  #began(): void {
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    this.#parts.began();
    this.#opened.resolve();
  }

  #makeWay(): void {
    // The only one that upstream grants us is not given up for another.
    if (!this.#mayRunSeveral) return;
    this.#isOneTooMany = true;
    leaderOf(this.#courses)?.giveWay();
  }

  #lookAround(): void {
    this.#isOneTooMany = false;
    for (const position of this.file.wanted()) this.wanted(position);
  }

  #begin(position: number, way: { readonly limit: number; readonly lane: BlobLane }): void {
    const segment = new Segment(position, way, this);
    this.#segments.add(segment);
    segment.run({ signal: this.#abort.signal }).then(
      () => this.#ended(segment),
      (error: unknown) => this.#failed(segment, error),
    );
  }

  #ended(segment: Segment): void {
    this.#segments.delete(segment);
    this.#inParts?.ended(segment, performance.now());
    this.#goOn();
  }

  #failed(segment: Segment, error: unknown): void {
    this.#segments.delete(segment);
    const { signal } = this.#abort;
    // Upstream may not bear several at once: those that bring bytes go on, and come to this one's part later.
    const othersGoOn = this.#segments.size > 0 && !signal.aborted;
    if (!othersGoOn) return this.#over(signal.aborted ? signal.reason : error);
    this.#runOne();
  }

  #over(error: unknown): void {
    if (this.#segments.size > 0) return;
    this.#isOver = true;
    this.#opened.reject(error);
    this.#done.reject(error);
  }
}
