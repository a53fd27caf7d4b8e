/** Why an upstream gave no answer to work with. `busy`: as many requests of ours wait for it as may, and it was not asked. */
export type UnavailableReason =
  | 'unreachable'
  | 'timeout'
  | 'server-error'
  | 'circuit-open'
  | 'busy';

/** A peer could not be reached, timed out, or answered 5xx until the retries were spent. */
export class UpstreamUnavailable extends Error {
  override readonly name = 'UpstreamUnavailable';
  readonly host: string;
  readonly reason: UnavailableReason;

  constructor(host: string, reason: UnavailableReason, options?: { cause?: unknown }) {
    super(`registry ${host} is unavailable (${reason})`, options);
    this.host = host;
    this.reason = reason;
  }
}

/** A peer answered 429: this credential has to wait, the host is well. */
export class UpstreamThrottled extends Error {
  override readonly name = 'UpstreamThrottled';
  readonly host: string;
  /** As the peer said, if it did. */
  readonly retryAfterSeconds: number | undefined;

  constructor(host: string, retryAfterSeconds: number | undefined) {
    super(`registry ${host} asks us to slow down`);
    this.host = host;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** What a peer lets us pull yet is left to clients, and this was for none. */
export class PullsReserved extends Error {
  override readonly name = 'PullsReserved';
  readonly host: string;
  /** Milliseconds until it is worth to try again; undefined where it never is. */
  readonly waitMs: number | undefined;

  constructor(host: string, problem: string, waitMs?: number) {
    super(`registry ${host} ${problem}`);
    this.host = host;
    this.waitMs = waitMs;
  }
}

/** A peer answered 401 or 403, after a fresh token where it takes tokens. */
export class UpstreamDenied extends Error {
  override readonly name = 'UpstreamDenied';
  readonly host: string;
  readonly status: 401 | 403;

  constructor(host: string, status: 401 | 403, options?: { cause?: unknown }) {
    super(`registry ${host} refuses us (${status})`, options);
    this.host = host;
    this.status = status;
  }
}

/** A peer answered something that this node must not pass on: bytes that do not match their digest, a page that is no JSON. */
export class UpstreamInvalid extends Error {
  override readonly name = 'UpstreamInvalid';
  readonly host: string;

  constructor(host: string, problem: string, options?: { cause?: unknown }) {
    super(`registry ${host} answered wrongly: ${problem}`, options);
    this.host = host;
  }
}

/** What a registry said of a request that it refused. */
export interface RefusalFacts {
  readonly status: number;
  /** As in its answer: `MANIFEST_INVALID`, or a word of its own. */
  readonly code?: string | undefined;
  /** The registry's own words, for people. */
  readonly words?: string | undefined;
}

/** A peer refuses what it was sent, and will refuse it again: a media type it does not keep, a size, a rule of its own. */
export class UpstreamRefused extends Error {
  override readonly name = 'UpstreamRefused';
  readonly host: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly words: string | undefined;

  constructor(host: string, { status, code, words }: RefusalFacts) {
    const said = [code, words].filter((part) => part !== undefined && part !== '').join(': ');
    super(`registry ${host} refuses it (${status})${said === '' ? '' : `: ${said}`}`);
    this.host = host;
    this.status = status;
    this.code = code;
    this.words = words;
  }
}

/** What was to be sent is not as long as was said. */
export class ContentCutShort extends Error {
  override readonly name = 'ContentCutShort';

  constructor(sent: number, expected: number) {
    super(`the content ended after ${sent} of ${expected} bytes`);
  }
}
