import { OciError, type OciErrorCode } from '../oci/error.ts';
import { RequestError } from './request-error.ts';

/** What a failing request gets; the body is that of distribution-spec v1.1.1 "Error Codes". */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly errors: readonly ErrorEntry[] };
}

interface ErrorEntry {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

type Row = readonly [status: number, message: string, wireCode?: string];

/**
 * The only table of statuses. The specification's list of codes is closed for 4xx answers, so codes of ours go out as
 * the one of the list that fits, where one does.
 */
const RESPONSES: Record<OciErrorCode, Row> = {
  BLOB_UNKNOWN: [404, 'blob unknown to registry'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to registry'],
  DIGEST_INVALID: [400, 'provided digest is invalid or did not match the content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'manifest references a manifest or blob unknown to registry'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to registry'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to registry'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  UNAUTHORIZED: [401, 'authentication required'],
  DENIED: [403, 'requested access to the resource is denied'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  RANGE_INVALID: [416, 'the chunk does not start where the upload ends', 'BLOB_UPLOAD_INVALID'],
  TAG_INVALID: [400, 'invalid tag', 'MANIFEST_INVALID'],
  // As Harbor says it, whose users look for that.
  TAG_IMMUTABLE: [412, 'the tag is immutable', 'PRECONDITION'],
  PAGINATION_NUMBER_INVALID: [400, 'n is not a number of results'],
  MANIFEST_TOO_LARGE: [413, 'manifest is larger than this registry accepts', 'MANIFEST_INVALID'],
  // docker shows no body of a 5xx, only the status and its name, and this is the one that names the reason. No client
  // repeats a 507 (containerd, crane and docker repeat 500 and 503), which a full disk would not survive well.
  STORAGE_FULL: [507, 'this registry has no room left'],
  UPSTREAM_UNAVAILABLE: [502, 'the upstream registry cannot be reached'],
  UPSTREAM_TIMEOUT: [504, 'the upstream registry did not answer in time'],
  // Not 401: a client would answer that with its credential for this node.
  UPSTREAM_DENIED: [403, 'the upstream registry refuses this one', 'DENIED'],
  UNAVAILABLE: [503, 'this registry cannot take the request now'],
};

/** Maps any thrown value to what the client sees; an unforeseen one tells the client nothing. */
export function errorResponse(error: unknown): ErrorResponse {
  if (error instanceof OciError) return ociResponse(error);
  if (error instanceof RequestError) {
    const { status, code, message, headers } = error;
    return { status, headers, body: { errors: [{ code, message }] } };
  }
  return {
    status: 500,
    headers: {},
    body: { errors: [{ code: 'UNKNOWN', message: 'unknown error' }] },
  };
}

function ociResponse(error: OciError): ErrorResponse {
  const [status, stockMessage, wireCode] = RESPONSES[error.code];
  const code = wireCode ?? error.code;
  const message = error.explanation ?? stockMessage;
  const { retryAfterSeconds } = error;
  return {
    status,
    headers:
      retryAfterSeconds === undefined
        ? {}
        : { 'Retry-After': String(Math.max(0, Math.ceil(retryAfterSeconds))) },
    body: { errors: detailsOf(error).map((detail) => ({ code, message, detail })) },
  };
}

/** One entry for each thing that is missing (distribution-spec v1.1.1 "Pushing Manifests"), else one. */
function detailsOf({ code, detail }: OciError): readonly unknown[] {
  if (code !== 'MANIFEST_BLOB_UNKNOWN') return [detail];
  if (typeof detail !== 'object' || detail === null || !('missing' in detail)) return [detail];
  return Array.isArray(detail.missing) && detail.missing.length > 0 ? detail.missing : [detail];
}
