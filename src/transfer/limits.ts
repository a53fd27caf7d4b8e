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
  /** Bytes. The least that a transfer asks for where a blob comes by several at once. */
  readonly partBytes: number;
  /** Bytes a second: where one transfer alone is as fast as that, it brings the whole blob. */
  readonly fastBytes: number;
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
  // On a line of 100 Mbit/s and 50 ms the round trip of a request is a hundredth of what this takes (docs/performance.md 13).
  partBytes: 16 * 1024 * 1024,
  // Half of 1 Gbit/s: beyond it, several cost more of the processor than they gain.
  fastBytes: 60 * 1024 * 1024,
  soonBytes: 4 * 1024 * 1024,
  // Most layers at once; of larger ones, some seconds' worth of a fast line.
  claimBytes: 1024 * 1024 * 1024,
};
