/** Who a request comes from. */
export interface Caller {
  /** The user's name, `anonymous` for nobody. */
  readonly name: string;
  readonly isAdmin: boolean;
  readonly isAnonymous: boolean;
}

export const ANONYMOUS: Caller = { name: 'anonymous', isAdmin: false, isAnonymous: true };
