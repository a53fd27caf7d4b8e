/**
 * What a client of a registry may be told. The first block is the specification's closed list
 * (distribution-spec v1.1.1 "Error Codes", code-1 to code-14); the second is what stock registries say beyond it.
 */
export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  /** An upload's chunk does not start where the session ends. */
  | 'RANGE_INVALID'
  | 'TAG_INVALID'
  /** A rule of the project says that the tag stays what it is. */
  | 'TAG_IMMUTABLE'
  | 'PAGINATION_NUMBER_INVALID'
  | 'MANIFEST_TOO_LARGE'
  /** This node has no room for the bytes. */
  | 'STORAGE_FULL'
  /** The upstream could not be reached, or answered 5xx until the retries were spent. */
  | 'UPSTREAM_UNAVAILABLE'
  /** The upstream accepted the connection and then said nothing in time. */
  | 'UPSTREAM_TIMEOUT'
  /** The upstream refused this node: its credential is wrong or may not see the repository. */
  | 'UPSTREAM_DENIED'
  /** This node is stopping, or has as many uploads or questions to an upstream as it may. */
  | 'UNAVAILABLE';

export interface OciErrorOptions {
  /** Goes to the client as `detail`: never put secrets, paths or stack traces here. */
  readonly detail?: unknown;
  /** Replaces the code's stock message; the same care applies. */
  readonly message?: string;
  /** Sent as `Retry-After`. */
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/**
 * A condition a client of a registry is meant to see. Catalog, storage, proxy and adapters throw it;
 * only `http/error-response.ts` knows which status it becomes.
 */
export class OciError extends Error {
  override readonly name = 'OciError';
  readonly code: OciErrorCode;
  readonly detail: unknown;
  /** The message for the client, where the code's stock one says too little. */
  readonly explanation: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: OciErrorCode, options: OciErrorOptions = {}) {
    super(options.message === undefined ? code : `${code}: ${options.message}`, {
      cause: options.cause,
    });
    this.code = code;
    this.detail = options.detail;
    this.explanation = options.message;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/**
 * A name that starts with no project's. Whoever may not see every project must not be able to tell it from a private one.
 */
export class NoSuchProject extends OciError {}
