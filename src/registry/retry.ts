import type { IncomingHttpHeaders } from 'node:http';
import { UpstreamUnavailable } from './errors.ts';
import type { RegistryLimits } from './limits.ts';

/** A status that says "not now"; the cause of an UpstreamUnavailable. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, retryAfterSeconds: number | undefined) {
    super(`it answered ${status}`);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

// What passes by itself, often within a second. A timeout has cost its time already, and an unknown name stays unknown.
const TRANSIENT_CODES = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);
const TRANSIENT_STATUSES = new Set([408, 500, 502, 503, 504, 522]);

/**
 * How long to wait before the same request is worth another attempt; undefined: it is not. `attempt` counts those made,
 * `random` is from 0 to 1.
 */
export function pauseBeforeRetryMs(
  error: unknown,
  attempt: number,
  limits: RegistryLimits,
  random: number,
): number | undefined {
  if (attempt >= limits.attempts || !(error instanceof UpstreamUnavailable)) return undefined;
  const jitteredMs = pauseMs(attempt, limits, random);
  const { cause } = error;
  if (cause instanceof StatusError) {
    if (!TRANSIENT_STATUSES.has(cause.status)) return undefined;
    const askedMs = (cause.retryAfterSeconds ?? 0) * 1000;
    return askedMs > limits.longestPauseMs ? undefined : Math.max(askedMs, jitteredMs);
  }
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' && TRANSIENT_CODES.has(code) ? jitteredMs : undefined;
}

/** Full jitter: a random part of a pause that doubles with each attempt. */
export function pauseMs(attempt: number, limits: RegistryLimits, random: number): number {
  return Math.min(limits.longestPauseMs, limits.pauseMs * 2 ** (attempt - 1)) * random;
}

/** `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3). Undefined where it is neither. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  // Date.parse takes much for a date, and `-5` for one of them.
  const at = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

/**
 * Seconds to wait, as an answer says it: in `Retry-After`, or in seconds of Unix time as Docker Hub's API (`X-Retry-After`) and
 * GitHub's do, whose budget is spent (`X-RateLimit-Remaining: 0`).
 */
export function retryAfterIn(headers: IncomingHttpHeaders, now: number): number | undefined {
  const asked = parseRetryAfter(headers['retry-after'], now);
  if (asked !== undefined) return asked;
  const until = headers['x-retry-after'] ?? (isSpent(headers) ? headers['x-ratelimit-reset'] : '');
  const at = /^\d{10}$/.exec(String(until))?.[0];
  return at === undefined ? undefined : Math.max(0, Number(at) - Math.floor(now / 1000));
}

/** Whether an answer says that it is too much by now, though its status may be that of a refusal (GitHub: 403). */
export function isSpent(headers: IncomingHttpHeaders): boolean {
  return headers['x-ratelimit-remaining'] === '0';
}
