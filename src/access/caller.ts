import type { Subject } from '../../policies/access.ts';

/** What a token allows, at most: the rights of its caller still count. */
export interface Grant {
  /** The canonical repository, or `catalog`. */
  readonly name: string;
  readonly type: 'repository' | 'registry';
  readonly actions: readonly string[];
}

/** Who a request comes from, and what that one may. */
export interface Caller extends Subject {
  /** The user's or robot's full name (`robot$ci`, `robot$team+ci`), `anonymous` for nobody. */
  readonly name: string;
  /** Of the user's or robot's row, 0 for nobody. */
  readonly id: number;
  readonly isAnonymous: boolean;
  /** The account's, as it was when it was made sure who calls: what they are given is void once the account has another. */
  readonly validFrom?: number | undefined;
  /** It is nobody from then on. Milliseconds UTC; undefined for ever. */
  readonly expiresAt?: number | undefined;
  /** Of a caller with a token; without one, whatever the caller may. */
  readonly grants?: readonly Grant[] | undefined;
  /** When the token was issued, of a caller with one. Milliseconds UTC. */
  readonly issuedAt?: number | undefined;
}

export const ANONYMOUS: Caller = {
  name: 'anonymous',
  id: 0,
  isAdmin: false,
  isAnonymous: true,
  roles: new Map(),
};

/** What somebody wants to do something to. */
export interface Wanted extends Omit<Grant, 'actions'> {
  /** When it came to be, milliseconds UTC: a token from before named another thing of this name. */
  readonly since?: number;
}

/** Whether the caller's token, if it has one, is good for the action. */
export function isGranted(caller: Caller, wanted: Wanted, action: string): boolean {
  const { grants, issuedAt = 0 } = caller;
  if (grants === undefined) return true;
  if (wanted.since !== undefined && issuedAt < wanted.since) return false;
  return grants.some(
    ({ type, name, actions }) =>
      type === wanted.type &&
      name === wanted.name &&
      (actions.includes(action) || actions.includes('*')),
  );
}
