import { ManagementError, type ManagementErrorCode } from '../../oci/management-error.ts';
import { errorResponse } from '../error-response.ts';
import { RequestError } from '../request-error.ts';

const STATUSES: Readonly<Record<ManagementErrorCode, number>> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PRECONDITION: 412,
};

/** Harbor's words by status (harbor v2.13 src/lib/errors). */
const CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  412: 'PRECONDITION',
  413: 'REQUEST_ENTITY_TOO_LARGE',
  429: 'TOO_MANY_REQUEST',
};

/** What to say instead where the contract does not declare a status for the operation, nearest first. */
const INSTEAD: Readonly<Record<number, readonly number[]>> = {
  403: [404],
  404: [400, 403],
  405: [400],
  409: [412, 400],
  412: [409, 400],
};

/**
 * Whatever was thrown as Harbor's clients know it; what is a fault of ours stays as it is.
 *
 * @param answers the statuses that the operation declares
 */
export function refusal(error: unknown, answers: readonly number[] = []): unknown {
  const { status, message, headers } = factsOf(error);
  if (status >= 500) return error;
  const told = answers.includes(status)
    ? status
    : (INSTEAD[status]?.find((other) => answers.includes(other)) ?? status);
  return new RequestError(told, CODES[told] ?? 'BAD_REQUEST', { message, headers, cause: error });
}

function factsOf(error: unknown): {
  status: number;
  message: string;
  headers: Readonly<Record<string, string>>;
} {
  if (error instanceof ManagementError) {
    return { status: STATUSES[error.code], message: error.message, headers: {} };
  }
  const { status, headers, body } = errorResponse(error);
  return { status, headers, message: body.errors[0]?.message ?? '' };
}
