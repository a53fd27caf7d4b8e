import type { Failure } from '../jobs/task.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import {
  UpstreamDenied,
  UpstreamInvalid,
  UpstreamThrottled,
  UpstreamUnavailable,
} from '../registry/errors.ts';
import { WindowClosed } from './pace.ts';

/** A registry that says nothing of how long it wants to be left alone. */
const THROTTLED_MS = 30_000;
/** Stands for a host, which none is called. */
const WINDOW = 'closed-window';
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
  if (error instanceof WindowClosed) {
    return { kind: 'throttled', reason, host: WINDOW, retryAfterMs: error.waitMs };
  }
  if (error instanceof UpstreamUnavailable) {
    return { kind: 'transient', reason: withCause(error), host: error.host };
  }
  if (error instanceof UpstreamDenied) return { kind: 'permanent', reason: withCause(error) };
  if (error instanceof UpstreamInvalid) return { kind: 'integrity', reason };
  if (error instanceof OciError && !PASSING.has(error.code)) {
    return { kind: 'permanent', reason };
  }
  if (error instanceof ManagementError) return { kind: 'permanent', reason };
  return { kind: 'transient', reason };
}

/** With the registry's own words, or what the network said. */
function withCause({ message, cause }: Error): string {
  return cause instanceof Error ? `${message}: ${withCause(cause)}` : message;
}
