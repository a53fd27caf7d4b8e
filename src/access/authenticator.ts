import { OciError } from '../oci/error.ts';
import type { Accounts } from './accounts.ts';
import { ANONYMOUS, type Caller } from './caller.ts';
import { createLocalIdentities, type IdentityProvider } from './identity.ts';
import type { LastLogins } from './last-logins.ts';
import { PasswordChecks } from './password-checks.ts';
import { RememberedPasswords } from './remembered-passwords.ts';
import { Throttle } from './throttle.ts';
import type { Tokens } from './tokens.ts';

export interface Authenticator {
  /**
   * Who sent this `Authorization` header; nobody is anonymous.
   *
   * @throws OciError UNAUTHORIZED for a wrong password, an unknown user, a token that is not valid, or another scheme;
   *   TOOMANYREQUESTS after many wrong passwords, or when many come that were not seen before
   */
  authenticate(authorization: string | undefined, address: string): Promise<Caller>;
  /** Whose name and password these are. @throws as `authenticate` does */
  signIn(name: string, password: string, address: string): Promise<Caller>;
}

export interface AuthenticatorOptions {
  /** Milliseconds UTC. */
  readonly now?: () => number;
  /** By default, the passwords of the accounts. */
  readonly identities?: IdentityProvider;
  /** Learns when a user last signed in. */
  readonly logins?: Pick<LastLogins, 'note'>;
}

export function createAuthenticator(
  accounts: Accounts,
  tokens: Pick<Tokens, 'verify'>,
  options: AuthenticatorOptions = {},
): Authenticator {
  const { now = Date.now, logins } = options;
  const identities = options.identities ?? createLocalIdentities(accounts, new PasswordChecks());
  const remembered = new RememberedPasswords();
  const throttle = new Throttle({ now });

  const check = async (name: string, password: string): Promise<boolean> =>
    (await identities.authenticate(name, password)) !== undefined;

  async function signIn(name: string, password: string, address: string): Promise<Caller> {
    const passwordHash = (await accounts.find(name))?.passwordHash ?? '';
    const isRight = await remembered.isRight({ name, password, passwordHash }, () =>
      throttle.guard({ name, address }, () => check(name, password)),
    );
    // Read again: a check takes its time, and the password may be another by now.
    const account = isRight ? await accounts.find(name) : undefined;
    if (account === undefined || account.passwordHash !== passwordHash)
      throw new OciError('UNAUTHORIZED');
    const { caller } = account;
    throttle.prove({ name, address });
    if (caller.robot === undefined) logins?.note(caller.id);
    return caller;
  }

  return {
    async authenticate(authorization, address) {
      if (authorization === undefined || authorization === '') return ANONYMOUS;
      const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
      if (token !== undefined) return tokens.verify(token);
      const { name, password } = basicOf(authorization);
      // Clients without credentials send an empty pair where they must send something.
      if (name === '' && password === '') return ANONYMOUS;
      return signIn(name, password, address);
    },
    signIn,
  };
}

/** RFC 7617 section 2. */
function basicOf(authorization: string): { name: string; password: string } {
  const encoded = /^basic +([a-z0-9+/=_-]+) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) throw new OciError('UNAUTHORIZED');
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw new OciError('UNAUTHORIZED');
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
