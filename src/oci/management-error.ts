/** What a client of the management API may be told. */
export type ManagementErrorCode =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  /** There is one of that name already. */
  | 'CONFLICT'
  /** Something else has to happen before: what is in use is not deleted. */
  | 'PRECONDITION';

/** A condition that a client of the management API is meant to see. The message goes out: no secrets, no paths. */
export class ManagementError extends Error {
  override readonly name = 'ManagementError';
  readonly code: ManagementErrorCode;

  constructor(code: ManagementErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
