/**
 * Source order: who is asked next when an upstream fails, and whose failure the client is told.
 *
 * Pure. The endpoints of a project are declared mirrors of one namespace, asked in their order.
 */

/** How a source failed. `unavailable`: unreachable, timed out, 5xx or its circuit is open. */
export type SourceFailure = 'unavailable' | 'throttled' | 'not-found' | 'denied' | 'invalid';

/**
 * Whether the next mirror is asked. A source that is away or asks for a pause says nothing about the content; one that
 * says 404 or 401 does, and another that knows better would only hide what is wrong. Bytes that do not match
 * their digest are somebody's mistake and are not covered up either.
 */
export function movesOn(failure: SourceFailure): boolean {
  return failure === 'unavailable' || failure === 'throttled';
}

/**
 * Which of the failures, in the order they came, is the answer. Only the last can be one that ended the search. A 404 never hides that a
 * source before it could not be asked; a refusal is always told.
 */
export function failureToTell(failures: readonly SourceFailure[]): number {
  const last = failures.length - 1;
  const isHiding = failures[last] === 'not-found' || failures.every(movesOn);
  return isHiding ? 0 : last;
}
