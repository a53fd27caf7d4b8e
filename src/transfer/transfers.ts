import { randomUUID } from 'node:crypto';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import type { BlobReader, BlobStore } from '../storage/blob-store.ts';
import { Fill, type FillParts } from './fill.ts';
import { stopping } from './fill-failures.ts';
import type { FilledBlobs, FillRecord, FillRecords, StartedFill } from './fill-records.ts';
import { askerOf } from './fill-repositories.ts';
import type { FillSource } from './fill-source.ts';
import { Follower } from './follower.ts';
import { DEFAULT_LIMITS, type TransferLimits } from './limits.ts';

/** A blob that is not here, and where it comes from. */
export interface WantedBlob {
  readonly digest: Digest;
  /** Bytes, as the manifest or upstream says. */
  readonly size: number;
  /** The canonical repository that will have it. */
  readonly repository: string;
  readonly source: FillSource;
}

/** A fill that a former process left, and who asks for it now. */
export interface ResumedFill {
  readonly source: FillSource;
  /** Whether somebody will ask again: until then, or its deadline, what it has is kept and nothing runs. */
  readonly isAwaited?: boolean | undefined;
}

export interface FollowOptions {
  /** For somebody who reads on to the end: its last 64 KiB come only once the digest agreed, as for who reads the first byte. */
  readonly whole: boolean;
  /** Ends the wait for upstream's answer; the fill goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface BringOptions {
  readonly signal: AbortSignal;
  readonly arrived?: ((bytes: number) => void) | undefined;
}

export interface Transfers extends AsyncDisposable {
  /**
   * Joins the one fill of that digest, or starts it; resolves when upstream has answered. What upstream refuses with
   * before that rejects as it is. Disposing the reader leaves the fill, which goes on to its deadline.
   */
  open(wanted: WantedBlob, options: FollowOptions): Promise<BlobReader>;
  /**
   * As `open`, for who wants the blob kept and reads none of it. `arrived` is told of bytes that came since, once a
   * second. Aborting it pauses the fill, where nobody else waits for it; what came stays for the next time.
   *
   * @throws what upstream refuses with, StorageFull, OciError NAME_UNKNOWN, DENIED over the project's limit
   */
  bring(wanted: WantedBlob, options: BringOptions): Promise<void>;
  /**
   * Lets the fills go on that a former process left, and removes what has no source any more. Resolves when they are
   * taken up, not when they are done. Call it once, before anybody asks.
   */
  resume(sourceOf: (fill: StartedFill) => Promise<ResumedFill | undefined>): Promise<void>;
}

export interface TransfersOptions {
  readonly store: BlobStore;
  readonly blobs: FilledBlobs;
  readonly fills: FillRecords;
  readonly room: {
    /** Resolves to whether so many bytes may be written now, the first of `whole`. */
    makeRoom(bytes: number, options: { readonly whole: number }): Promise<boolean>;
  };
  readonly now: () => number;
  /** From 0 up to 1: the jitter of pauses. */
  readonly random?: () => number;
  readonly limits?: Partial<TransferLimits>;
}

/** Brings blobs from upstream: one fill for each digest, however many ask for it. */
export function createTransfers(options: TransfersOptions): Transfers {
  return new RunningTransfers(options);
}

const PROGRESS_MS = 1_000;

class RunningTransfers implements Transfers {
  readonly #options: TransfersOptions;
  /** By {@link keyOf}. */
  readonly #fills = new Map<string, Fill>();
  readonly #parts: Omit<FillParts, 'records' | 'over'>;
  /** How many fills ended: what was looked up before one did may be out of date. */
  #ends = 0;
  /** By project, repository and digest. */
  readonly #confirming = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();

  constructor(options: TransfersOptions) {
    this.#options = options;
    this.#parts = {
      store: options.store,
      blobs: options.blobs,
      now: options.now,
      random: options.random ?? Math.random,
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      makeRoom: (bytes, claim) => this.#makeRoom(bytes, claim),
    };
  }

  async open(wanted: WantedBlob, { whole, signal }: FollowOptions): Promise<BlobReader> {
    const entered = await this.#enter(wanted, signal);
    return entered instanceof Fill ? new Follower(entered, { whole }) : entered;
  }

  async bring(wanted: WantedBlob, { signal, arrived }: BringOptions): Promise<void> {
    const entered = await this.#enter(wanted, signal);
    if (!(entered instanceof Fill)) return entered[Symbol.asyncDispose]();
    let told = entered.arrivedBytes;
    const tell = (): void => {
      const bytes = entered.arrivedBytes;
      if (bytes > told) arrived?.(bytes - told);
      told = Math.max(told, bytes);
    };
    const telling = setInterval(tell, PROGRESS_MS);
    try {
      await abortable(entered.kept(), signal);
    } finally {
      clearInterval(telling);
      tell();
      await entered.leave({ halting: true });
    }
  }

  /** A fill that is running, and that somebody has to leave; or the blob, where it is here. */
  async #enter(wanted: WantedBlob, signal: AbortSignal | undefined): Promise<Fill | BlobReader> {
    for (;;) {
      signal?.throwIfAborted();
      const joined = await this.#join(wanted, signal);
      if (!(joined instanceof Fill)) return joined;
      try {
        await abortable(joined.start(wanted.repository, wanted.source), signal);
        return joined;
      } catch (error) {
        await joined.leave();
        // Another repository's upstream failed it; what this one's says is not known yet.
        const isOurs = joined.askedBy.repository === wanted.repository;
        if (signal?.aborted !== true && !isOurs) continue;
        throw error;
      }
    }
  }

  async resume(sourceOf: (fill: StartedFill) => Promise<ResumedFill | undefined>): Promise<void> {
    const records = await this.#options.fills.list();
    for (const record of records) await this.#resumeOne(record, sourceOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(stopping());
    await Promise.all([...this.#fills.values()].map((fill) => fill.stop()));
  }

  /** Enters the fill, or opens the blob where it is here by now. */
  async #join(wanted: WantedBlob, signal: AbortSignal | undefined): Promise<Fill | BlobReader> {
    for (;;) {
      const key = keyOf(wanted.digest, wanted.source.privateTo);
      const fill = this.#fills.get(key) ?? (await this.#storedOrBegun(wanted));
      if (!(fill instanceof Fill)) return fill;
      if (!fill.isJoinable) {
        await fill.settled;
      } else if (fill.size !== wanted.size) {
        await forgetOrRefuse(fill, wanted);
      } else {
        const asker = askerOf(wanted.repository, wanted.source);
        if (!fill.serves(asker)) await abortable(this.#confirmed(wanted), signal);
        if (fill.enter(asker)) return fill;
      }
    }
  }

  /** Asks once for all that come by that repository. */
  #confirmed(wanted: WantedBlob): Promise<void> {
    const key = `${wanted.source.project} ${wanted.repository}@${wanted.digest}`;
    const running = this.#confirming.get(key);
    if (running !== undefined) return running;
    const confirming = confirm(wanted, this.#stop).finally(() => this.#confirming.delete(key));
    confirming.catch(() => {}); // Those who wait hear of it; all of them may have left.
    this.#confirming.set(key, confirming);
    return confirming;
  }

  /** What one fill was promised is no other's: so much room, and what all those await. */
  #makeRoom(bytes: number, { whole }: { readonly whole: number }): Promise<boolean> {
    const claims = [...this.#fills.values()].map(({ awaitedBytes }) => awaitedBytes);
    const awaited = claims.reduce((total, more) => total + more, 0);
    return this.#options.room.makeRoom(awaited + bytes, { whole: awaited + whole });
  }

  async #storedOrBegun(wanted: WantedBlob): Promise<Fill | BlobReader> {
    for (;;) {
      const ends = this.#ends;
      const stored = await this.#stored(wanted);
      if (stored !== undefined) return stored;
      const begunMeanwhile = this.#fills.get(keyOf(wanted.digest, wanted.source.privateTo));
      if (begunMeanwhile !== undefined) return begunMeanwhile;
      if (ends === this.#ends) return this.#begin(wanted);
    }
  }

  async #stored({ repository, digest }: WantedBlob): Promise<BlobReader | undefined> {
    if ((await this.#options.blobs.find(repository, digest)) === undefined) return undefined;
    try {
      return await this.#options.store.open(digest);
    } catch (error) {
      // The file is lost though its row is there: fetching it again heals that.
      if (error instanceof OciError && error.code === 'BLOB_UNKNOWN') return undefined;
      throw error;
    }
  }

  #begin({ digest, size, repository, source }: WantedBlob): Fill {
    if (this.#stop.signal.aborted) throw stopping();
    // Its own name each time: the file of a fill that failed may still be read.
    const staged = `fill-${randomUUID()}`;
    const record = { digest, size, repository, staged, intervals: [] };
    // Rows are by digest: a second fill of one, as privacy may ask for, does not survive a restart.
    const isFirst = ![...this.#fills.values()].some((other) => other.digest === digest);
    return this.#add(record, source, {
      isRecorded: false,
      records: isFirst ? this.#options.fills : NO_RECORDS,
    });
  }

  #add(
    record: FillRecord,
    source: FillSource,
    { isRecorded, records }: { readonly isRecorded: boolean; readonly records: FillRecords },
  ): Fill {
    const key = keyOf(record.digest, source.privateTo);
    const over: FillParts['over'] = (ended, { afresh }) => {
      this.#fills.delete(key);
      this.#ends += 1;
      if (afresh === undefined || this.#stop.signal.aborted) return;
      const { digest, size, askedBy } = ended;
      const { repository } = askedBy;
      startInBackground(this.#begin({ digest, size, repository, source: afresh }), afresh);
    };
    const { project, ownership } = source;
    const fill = new Fill(
      { ...record, project, ownership },
      { ...this.#parts, records, over },
      { isRecorded },
    );
    this.#fills.set(key, fill);
    return fill;
  }

  async #resumeOne(
    record: StartedFill,
    sourceOf: (fill: StartedFill) => Promise<ResumedFill | undefined>,
  ): Promise<void> {
    const { blobs, store, fills } = this.#options;
    const resumed = await sourceOf(record);
    // The node may have stopped between keeping a blob and forgetting its fill.
    const isHere = (await blobs.find(record.repository, record.digest)) !== undefined;
    if (resumed === undefined || isHere) {
      await using staged = await store.stage(record.staged);
      await staged.discard();
      await fills.finish(record.digest);
      return;
    }
    const { source, isAwaited = false } = resumed;
    const fill = this.#add(record, source, { isRecorded: true, records: fills });
    if (isAwaited) fill.waitForAsker();
    else startInBackground(fill, source);
  }
}

/** Readers of a private project's blob follow its own fill and nobody else does: what they see, others may not. */
function keyOf(digest: Digest, privateTo = ''): string {
  return `${privateTo}@${digest}`;
}

const NO_RECORDS: FillRecords = {
  list: async () => [],
  async start() {},
  async progress() {},
  async finish() {},
};

/** A fill that nobody waits for: facts tell what becomes of it. */
function startInBackground(fill: Fill, source: FillSource): void {
  fill.start(fill.askedBy.repository, source).catch(() => {});
}

/**
 * Two that ask for one digest disagree about its size: the one that upstream is serving right now wins. Until it has
 * answered, either is only what a manifest claims.
 */
async function forgetOrRefuse(fill: Fill, { digest, size, repository, source }: WantedBlob) {
  const problem = `it says that ${digest} has ${size} bytes, another that it has ${fill.size}`;
  const reason = new UpstreamInvalid(source.host ?? repository, problem);
  if (fill.isIdle) return fill.forget(reason);
  if (await fill.isServed()) throw reason;
}

/** Bytes that come by another project answer for this one only if its own upstream says that it has them. Asks for one. */
async function confirm(wanted: WantedBlob, { signal }: AbortController): Promise<void> {
  const part = await wanted.source.open({ start: 0, end: 1 }, { signal });
  part.content.on('error', () => {}).destroy();
  if (part.size === undefined || part.size === wanted.size) return;
  const problem = `${part.size} bytes for ${wanted.digest}`;
  throw new UpstreamInvalid(wanted.source.host ?? wanted.repository, problem);
}

/** Rejects with the signal's reason when that is first; the promise itself goes on. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
