/** What a token allows, at most: the rights of its caller still count. */
export interface Grant {
  /** The canonical repository, or `catalog`. */
  readonly name: string;
  readonly type: 'repository' | 'registry';
  readonly actions: readonly string[];
}

/** Who a request comes from. */
export interface Caller {
  /** The user's name, `anonymous` for nobody. */
  readonly name: string;
  readonly isAdmin: boolean;
  readonly isAnonymous: boolean;
  /** Of a caller with a token; without one, whatever the caller may. */
  readonly grants?: readonly Grant[] | undefined;
}

export const ANONYMOUS: Caller = { name: 'anonymous', isAdmin: false, isAnonymous: true };

/** Whether the caller's token, if it has one, is good for the action. */
export function isGranted(caller: Caller, wanted: Omit<Grant, 'actions'>, action: string): boolean {
  if (caller.grants === undefined) return true;
  return caller.grants.some(
    ({ type, name, actions }) =>
      type === wanted.type &&
      name === wanted.name &&
      (actions.includes(action) || actions.includes('*')),
  );
}
