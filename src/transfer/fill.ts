import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { BATCH_BYTES } from './batches.ts';
import { FillContent } from './fill-content.ts';
import { FillFacts } from './fill-facts.ts';
import { asError, FillAbandoned, mayComeBack, stopping } from './fill-failures.ts';
import type { FilledBlobs, FillRecord, FillRecords } from './fill-records.ts';
import { askerOf, type FillAsker, FillRepositories, projectOf } from './fill-repositories.ts';
import { FillRun } from './fill-run.ts';
import type { FillSource } from './fill-source.ts';
import type { GrowingFile } from './growing-file.ts';
import type { TransferLimits } from './limits.ts';
import { reporting } from './reporting.ts';
import { RoomClaim } from './room-claim.ts';

/** What readers of a whole blob get only once its digest agreed: without it a wrong file is never complete. */
const LAST_BYTES = BATCH_BYTES;

/**
 * Where a fill stands:
 *
 *     idle ──start──> running ──all here──> verified ──kept──> over
 *      ^                 │ upstream given up    │ cannot be kept
 *      └─────parked──────┴──wrong, full, late──> ending ──> over
 *
 * An idle fill has nothing running; what it has lies in its staged file, for the next asker or the deadline.
 */
type FillState = 'idle' | 'running' | 'verified' | 'ending' | 'over';

export interface FillParts {
  readonly store: BlobStore;
  readonly blobs: FilledBlobs;
  readonly records: FillRecords;
  readonly limits: TransferLimits;
  /** Resolves to whether there is room for so many bytes, the first of `whole`, besides what other fills claim. */
  readonly makeRoom: (bytes: number, options: { readonly whole: number }) => Promise<boolean>;
  readonly now: () => number;
  readonly random: () => number;
  /** Called when it is gone. `afresh`: the bytes were wrong, but some came before this run, so that source may ask again. */
  readonly over: (fill: Fill, options: { readonly afresh: FillSource | undefined }) => void;
}

/** The one transfer of a digest from upstream into this node, and everything that follows it. */
export class Fill {
  readonly digest: Digest;
  readonly size: number;
  readonly #parts: FillParts;
  readonly #content: FillContent;
  readonly #file: GrowingFile;
  readonly #facts: FillFacts;
  readonly #repositories: FillRepositories;
  #askedBy: FillAsker;
  #state: FillState = 'idle';
  #run: FillRun | undefined;
  #settled: Promise<void> = Promise.resolve();
  #failure: Error = new Error('nothing has asked for it yet');
  /** Of the running run. */
  #claim: RoomClaim;
  #isDiscarded = false;
  #isVerified = false;
  #isStopping = false;
  #readers = 0;
  #deadline: NodeJS.Timeout | undefined;

  /** `isRecorded`: the record is in the database, and its staged file may be on disk. `project` as in {@link FillSource}. */
  constructor(
    record: FillRecord & Pick<FillSource, 'project' | 'ownership'>,
    parts: FillParts,
    options: { readonly isRecorded: boolean },
  ) {
    this.digest = record.digest;
    this.size = record.size;
    this.#askedBy = askerOf(record.repository, record);
    this.#repositories = new FillRepositories(record.digest, parts.blobs);
    this.#repositories.add(this.#askedBy);
    this.#parts = parts;
    this.#content = new FillContent(record, { ...parts, ...options });
    this.#file = this.#content.file;
    this.#claim = new RoomClaim(this.#file, parts);
    this.#facts = new FillFacts(record, this.#file, parts.now);
  }

  /** Whose source the latest run asked. */
  get askedBy(): FillAsker {
    return this.#askedBy;
  }

  get isJoinable(): boolean {
    return this.#state === 'idle' || this.#state === 'running' || this.#state === 'verified';
  }

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** What it claims room for. */
  get awaitedBytes(): number {
    return this.#state === 'running' ? this.#claim.awaitedBytes : 0;
  }

  /** Resolves when nothing runs any more: kept, given up or stopped. Never rejects. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Keeps what it has until somebody asks, or its deadline. */
  waitForAsker(): void {
    this.#watchDeadline();
  }

  /** Whether its project is asking already. */
  serves(asker: FillAsker): boolean {
    return this.#repositories.hasProjectOf(asker);
  }

  /** One more reader, of that repository; it leaves once. False: it is no longer {@link isJoinable}. */
  enter(asker: FillAsker): boolean {
    if (!this.isJoinable) return false;
    if (this.#state !== 'idle') this.#facts.joined(asker.repository);
    this.#repositories.add(asker);
    this.#readers += 1;
    this.#watchDeadline();
    return true;
  }

  /** `halting`: with the last reader the transfer pauses; without it, it goes on to its deadline. */
  async leave({ halting = false }: { readonly halting?: boolean } = {}): Promise<void> {
    this.#readers -= 1;
    this.#watchDeadline();
    if (halting && this.#readers === 0) {
      this.#run?.abort(new OciError('UNAVAILABLE', { message: 'nobody waits for it any more' }));
      await this.#settled;
    }
    await this.#closeWhenUnused();
  }

  /** Bytes that are here. */
  get arrivedBytes(): number {
    return this.#file.presentBytes;
  }

  /** Resolves once the blob is kept; to be called by who entered. @throws what the fill failed with */
  async kept(): Promise<void> {
    await this.#settled;
    if (this.#state !== 'over' || !this.#isVerified || this.#isDiscarded) throw this.#failure;
  }

  /** Lets an idle fill go on. Resolves when upstream has answered; rejects with the source's error as it is. */
  async start(repository: string, source: FillSource): Promise<void> {
    if (this.#state === 'idle') {
      this.#askedBy = askerOf(repository, source);
      this.#state = 'running';
      this.#run = this.#newRun(source);
      this.#settled = this.#carryOut(this.#run);
      this.#run.start();
      this.#watchDeadline();
    }
    await this.#run?.opened;
  }

  /** Resolves to whether upstream gives what was asked for, once that is known. */
  async isServed(): Promise<boolean> {
    const [opened] = await Promise.allSettled([this.#run?.opened]);
    return opened.status === 'fulfilled';
  }

  /** The node stops: what arrived is synced and written down. Resolves when that is done. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#state === 'idle') this.#settled = this.#end(stopping());
    this.#run?.abort(stopping());
    await this.#settled;
  }

  /** Drops an idle fill and what it has. */
  async forget(reason: Error): Promise<void> {
    if (this.#state === 'idle') this.#settled = this.#discard(reason);
    await this.#settled;
  }

  /** Bytes that may be read from there. `whole`: the last of them only once the digest agreed. */
  readableAt(position: number, { whole }: { readonly whole: boolean }): number {
    if (this.#isDiscarded && !this.#isVerified) throw this.#failure;
    const available = this.#file.availableAt(position);
    if (!whole || this.#isVerified) return available;
    return Math.max(0, Math.min(available, this.size - LAST_BYTES - position));
  }

  /** Only bytes that are readable; never resolves to 0. */
  read(into: Buffer, position: number): Promise<number> {
    return this.#file.read(into, position);
  }

  /** Resolves when the byte may have become readable. @throws what the fill failed with, where nothing brings it */
  async news(position: number, options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'over') throw this.#failure;
    const news = this.#file.news(position, options);
    if (this.#file.availableAt(position) === 0) this.#run?.wanted(position);
    await news;
  }

  #newRun(source: FillSource): FillRun {
    this.#claim = new RoomClaim(this.#file, this.#parts);
    return new FillRun({
      file: this.#file,
      source,
      host: source.host ?? projectOf(this.#askedBy.repository),
      limits: this.#parts.limits,
      random: this.#parts.random,
      prepare: async () => {
        if (this.#file.presentBytes === 0) return;
        await this.#claim.covers(0);
        await this.#content.open();
      },
      put: (chunk, position) => this.#put(chunk, position),
      began: () => {
        this.#facts.began();
        this.#content.begin();
      },
      interrupted: (error) => this.#facts.interrupted(error),
    });
  }

  async #put(chunk: Uint8Array, position: number): Promise<void> {
    // Not before upstream has answered: until then a manifest that lies about the size could empty the cache.
    if (!this.#claim.isEnoughFor(chunk.length)) await this.#claim.covers(chunk.length);
    await this.#content.put(chunk, position);
  }

  async #carryOut(run: FillRun): Promise<void> {
    const hadBytes = this.#file.presentBytes > 0;
    try {
      await run.done;
      this.#isVerified = await this.#content.agrees();
    } catch (error) {
      return this.#broke(asError(error));
    }
    if (this.#isVerified) return this.#keep();
    const mismatch = new UpstreamInvalid(run.host, `other bytes than those of ${this.digest}`);
    await this.#discard(mismatch, hadBytes ? run.source : undefined);
  }

  async #keep(): Promise<void> {
    const asker = this.#askedBy;
    const blob = { digest: this.digest, size: this.size, ...asker };
    this.#enterState('verified');
    try {
      await this.#parts.blobs.keep(await this.#content.open(), blob);
    } catch (error) {
      return this.#discard(asError(error));
    }
    this.#repositories.linked(asker);
    await this.#repositories.linkWaiting();
    await reporting('fill record', () => this.#content.forget());
    // Those that joined meanwhile. Nobody does between the last look and the end: both are in one turn.
    while (this.#repositories.isWaiting) await this.#repositories.linkWaiting();
    this.#facts.finished();
    await this.#end(undefined);
  }

  async #broke(error: Error): Promise<void> {
    this.#enterState('ending');
    try {
      const isWorthKeeping = mayComeBack(error) && this.#file.presentBytes > 0;
      if (!this.#isStopping && !isWorthKeeping) return await this.#discard(error);
      await this.#content.rest();
    } catch (failure) {
      return this.#discard(asError(failure));
    }
    this.#facts.parked(error);
    if (this.#isStopping) return this.#end(error);
    this.#failure = error;
    this.#enterState('idle');
    await this.#closeWhenUnused();
  }

  async #discard(reason: Error, afresh?: FillSource): Promise<void> {
    this.#failure = reason;
    this.#isDiscarded = true;
    this.#enterState('ending');
    this.#facts.discarded(reason);
    await reporting('fill removal', () => this.#content.discard());
    await this.#end(reason, afresh);
  }

  async #end(reason: Error | undefined, afresh?: FillSource): Promise<void> {
    if (reason !== undefined) this.#failure = reason;
    this.#enterState('over');
    this.#parts.over(this, { afresh });
    await this.#closeWhenUnused();
  }

  #enterState(state: FillState): void {
    this.#state = state;
    this.#watchDeadline();
    this.#file.wakeAll();
  }

  async #closeWhenUnused(): Promise<void> {
    const isResting = this.#state === 'idle' || this.#state === 'over';
    if (this.#readers === 0 && isResting) await reporting('fill', () => this.#content.close());
  }

  #watchDeadline(): void {
    clearTimeout(this.#deadline);
    const mayGoOn = this.#state === 'idle' || this.#state === 'running';
    if (!mayGoOn || this.#readers > 0) return;
    this.#deadline = setTimeout(() => this.#abandon(), this.#parts.limits.deadlineMs);
  }

  #abandon(): void {
    const reason = new FillAbandoned('nobody reads it');
    if (this.#state === 'idle') this.#settled = this.#discard(reason);
    else this.#run?.abort(reason);
  }
}
