/** How long and how hard a fill tries. */
export interface TransferLimits {
  /** An upstream that sends nothing for so long counts as broken off. */
  readonly silenceMs: number;
  /** How long a fill goes on, or its beginning is kept, without anybody who reads it. */
  readonly deadlineMs: number;
  /** Breaks in a row without a byte between them until a fill gives up. */
  readonly attempts: number;
  /** The first pause after a break is up to this long, each further one up to twice as long, at random. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Transfers of one fill at the same time. */
  readonly segments: number;
  /** Bytes. A reader waits for what a running transfer brings within so much; further ahead starts one of its own. */
  readonly soonBytes: number;
  /** Bytes. Room is made for so much ahead of what has come: what a blob's size is said to be takes nothing from the cache. */
  readonly claimBytes: number;
}

export const DEFAULT_LIMITS: TransferLimits = {
  silenceMs: 30_000,
  deadlineMs: 60 * 60 * 1000,
  attempts: 5,
  backoffMs: 200,
  maxBackoffMs: 10_000,
  // containerd 2 fetches a layer by as many ranges as it has downloads, 3 by default (docs/wire-notes.md 8).
  segments: 4,
  soonBytes: 4 * 1024 * 1024,
  // Most layers at once; of larger ones, some seconds' worth of a fast line.
  claimBytes: 1024 * 1024 * 1024,
};
