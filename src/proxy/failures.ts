/** What a failed question to upstream means: to the policies, and to the client. */
import type { UpstreamAnswer } from '../../policies/freshness.ts';
import type { SourceFailure } from '../../policies/source-order.ts';
import { OciError, type OciErrorCode } from '../oci/error.ts';
import {
  UpstreamDenied,
  UpstreamInvalid,
  UpstreamThrottled,
  UpstreamUnavailable,
} from '../registry/errors.ts';
import { StorageFull } from '../storage/errors.ts';

const NOT_FOUND: readonly OciErrorCode[] = ['MANIFEST_UNKNOWN', 'BLOB_UNKNOWN', 'NAME_UNKNOWN'];

/** About what a full queue takes. */
const BUSY_RETRY_SECONDS = 5;

/** Undefined for what no upstream is to blame for: the caller has gone, a fault of ours. */
export function failureOf(error: unknown): SourceFailure | undefined {
  if (error instanceof UpstreamUnavailable) return 'unavailable';
  if (error instanceof UpstreamThrottled) return 'throttled';
  if (error instanceof UpstreamDenied) return 'denied';
  if (error instanceof UpstreamInvalid) return 'invalid';
  if (!(error instanceof OciError)) return undefined;
  if (NOT_FOUND.includes(error.code)) return 'not-found';
  return error.code === 'MANIFEST_INVALID' ? 'invalid' : undefined;
}

/** The same for what freshness decides: an answer that makes no sense is as good as none. */
export function answerOf(failure: SourceFailure): UpstreamAnswer {
  return failure === 'invalid' ? 'unavailable' : failure;
}

/** What the client is told instead of a failure of ours or of upstream; other errors are what they were. */
export function clientError(error: unknown): unknown {
  if (error instanceof UpstreamThrottled) {
    const { message, retryAfterSeconds } = error;
    return new OciError('TOOMANYREQUESTS', { message, retryAfterSeconds, cause: error });
  }
  if (error instanceof UpstreamUnavailable && error.reason === 'busy') {
    const { message } = error;
    return new OciError('UNAVAILABLE', {
      message,
      retryAfterSeconds: BUSY_RETRY_SECONDS,
      cause: error,
    });
  }
  const code = codeOf(error);
  if (code === undefined || !(error instanceof Error)) return error;
  return new OciError(code, { message: error.message, cause: error });
}

function codeOf(error: unknown): OciErrorCode | undefined {
  if (error instanceof UpstreamUnavailable) {
    return error.reason === 'timeout' ? 'UPSTREAM_TIMEOUT' : 'UPSTREAM_UNAVAILABLE';
  }
  if (error instanceof UpstreamInvalid) return 'UPSTREAM_UNAVAILABLE';
  if (error instanceof UpstreamDenied) return 'UPSTREAM_DENIED';
  return error instanceof StorageFull ? 'STORAGE_FULL' : undefined;
}

/** Whether this node has no room for it, whichever of its parts says so. */
export function isStorageFull(error: unknown): boolean {
  return (
    error instanceof StorageFull || (error instanceof OciError && error.code === 'STORAGE_FULL')
  );
}

const PROBLEMS: Record<UpstreamAnswer, string> = {
  unchanged: '',
  changed: '',
  'not-found': 'no longer has it',
  denied: 'refuses this registry',
  throttled: 'asks this registry to slow down',
  unavailable: 'is unavailable',
};

/** The text of `Warning: 299`, without quotes, which its readers do not unescape (docs/wire-notes.md 6). */
export function staleWarning(
  host: string,
  answer: UpstreamAnswer,
  checkedAt: number | undefined,
): string {
  const when = checkedAt === undefined ? '' : `, last checked ${new Date(checkedAt).toISOString()}`;
  return `served from the cache${when}: upstream ${host} ${PROBLEMS[answer]}`;
}
