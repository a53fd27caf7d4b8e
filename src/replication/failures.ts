import { FIRST_BLOCK_MS } from '../jobs/hosts.ts';
import type { Failure } from '../jobs/task.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import {
  PullsReserved,
  UpstreamDenied,
  UpstreamInvalid,
  UpstreamThrottled,
  UpstreamUnavailable,
} from '../registry/errors.ts';
import { StatusError } from '../registry/retry.ts';
import { WindowClosed } from './pace.ts';

/** A registry that says nothing of how long it wants to be left alone. */
const THROTTLED_MS = 30_000;
/** One that says that it is away, and not for how long: behind many a balancer that is over in a moment. */
const AWAY_MS = FIRST_BLOCK_MS;
/** What is the node's own trouble, and passes. */
const PASSING = new Set(['UNAVAILABLE', 'STORAGE_FULL', 'TOOMANYREQUESTS']);

/** What a thrown value means for the task that met it. */
export function failureOf(error: unknown): Failure {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof UpstreamThrottled) {
    const { host, retryAfterSeconds } = error;
    const retryAfterMs = retryAfterSeconds === undefined ? THROTTLED_MS : retryAfterSeconds * 1000;
    return { kind: 'throttled', reason, host, retryAfterMs };
  }
  if (error instanceof PullsReserved) {
    const { waitMs } = error;
    if (waitMs === undefined) return { kind: 'permanent', reason };
    // Of one endpoint, and not of all that goes to the host: what is pushed there does not wait for it.
    return { kind: 'throttled', reason, retryAfterMs: waitMs };
  }
  if (error instanceof WindowClosed) {
    return { kind: 'throttled', reason, retryAfterMs: error.waitMs };
  }
  if (error instanceof UpstreamUnavailable) {
    const told = { reason: withCause(error), host: error.host };
    const retryAfterMs = awayMs(error);
    if (retryAfterMs === undefined) return { kind: 'transient', ...told };
    // For how long the last answer said to leave it alone counts from when it came, and whoever got it was told.
    if (error.reason === 'circuit-open')
      return { kind: 'throttled', ...told, retryAfterMs: AWAY_MS, isHearsay: true };
    return { kind: 'away', ...told, retryAfterMs };
  }
  if (error instanceof UpstreamDenied) return { kind: 'permanent', reason: withCause(error) };
  if (error instanceof UpstreamInvalid) return { kind: 'integrity', reason };
  if (error instanceof OciError && !PASSING.has(error.code)) {
    return { kind: 'permanent', reason };
  }
  if (error instanceof ManagementError) return { kind: 'permanent', reason };
  return { kind: 'transient', reason };
}

/** How long to leave it alone, where it was 503 that it answered (RFC 9110 section 15.6.4), or that keeps us from asking. */
function awayMs(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!(error instanceof StatusError)) return awayMs(error.cause);
  const { status, retryAfterSeconds } = error;
  if (status !== 503) return undefined;
  return retryAfterSeconds === undefined ? AWAY_MS : retryAfterSeconds * 1000;
}

/** With the registry's own words, or what the network said. */
function withCause({ message, cause }: Error): string {
  return cause instanceof Error ? `${message}: ${withCause(cause)}` : message;
}
