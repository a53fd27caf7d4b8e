/** How long, how often and how much this node asks of a registry. Times in milliseconds, sizes in bytes. */
export interface RegistryLimits {
  /** For each of: finding the address, TCP, TLS. */
  readonly connectMs: number;
  /** From the request sent to the answer's headers. */
  readonly firstByteMs: number;
  /** From the last byte of a blob sent to the answer's headers: some registries copy it once more before they answer. */
  readonly commitMs: number;
  /** Between two pieces of an answer, while somebody waits for the next; of what is sent, while there is something to send. */
  readonly silenceMs: number;
  /** For a whole answer that is not a blob: a server that sends a byte now and then must not hold a slot for ever. */
  readonly controlMs: number;
  /** Attempts of a request in all. */
  readonly attempts: number;
  /** Full jitter: a pause is a random part of this, doubled with each attempt. */
  readonly pauseMs: number;
  /** A registry that asks for a longer pause than this is not asked again within one request. */
  readonly longestPauseMs: number;
  /** Requests at once to one host, blobs apart. */
  readonly controlSlots: number;
  /** Blobs at once from one host, until their bodies end. */
  readonly blobSlots: number;
  /** Further parts at once of blobs that come in several. */
  readonly partSlots: number;
  /** The same of those whose readers set the pace. */
  readonly passedSlots: number;
  /** Blobs at once to one host. */
  readonly pushSlots: number;
  /** Requests that wait for a slot of one host, each lane by itself. */
  readonly waiting: number;
  /** Failures in a row that open a host's circuit. */
  readonly breakerFailures: number;
  /** How long it stays open before one request may try. */
  readonly breakerOpenMs: number;
  /** When 429 comes without Retry-After. */
  readonly throttledMs: number;
  /** What goes in one request where a blob is not sent at once. */
  readonly chunkBytes: number;
  readonly manifestBytes: number;
  /** A page of tags or referrers, a token. */
  readonly listBytes: number;
  /** All pages of a list. */
  readonly pagesBytes: number;
}

export const DEFAULT_LIMITS: RegistryLimits = {
  connectMs: 10_000,
  firstByteMs: 30_000,
  commitMs: 300_000,
  silenceMs: 30_000,
  controlMs: 60_000,
  attempts: 3,
  pauseMs: 250,
  longestPauseMs: 5_000,
  // containers/image fetches 6 at once (docs/wire-notes.md 8), and a node copies for many: 6 leave a sixth of a line of
  // 100 Mbit/s with a round trip of 50 ms unused (docs/performance.md 10).
  controlSlots: 12,
  blobSlots: 12,
  // Two blobs in four parts: beside more blobs than that, parts gain nothing.
  partSlots: 6,
  passedSlots: 12,
  pushSlots: 12,
  // What six slots answer within some ten seconds; clients whose pull fails come again.
  waiting: 500,
  breakerFailures: 5,
  breakerOpenMs: 15_000,
  throttledMs: 10_000,
  // Below what proxies in front of registries let through (Cloudflare: 100 MB); docs/wire-notes.md 8.
  chunkBytes: 32 * 2 ** 20,
  // distribution-spec v1.1.1 "Pushing Manifests": registries should take at least 4 MB.
  manifestBytes: 4 * 2 ** 20,
  // Some registries list a hundred thousand tags without paging (docs/wire-notes.md 8).
  listBytes: 16 * 2 ** 20,
  // A million tags.
  pagesBytes: 64 * 2 ** 20,
};
