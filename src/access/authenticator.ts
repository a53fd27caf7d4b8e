import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { OciError } from '../oci/error.ts';
import type { Account, Accounts } from './accounts.ts';
import { ANONYMOUS, type Caller } from './caller.ts';
import { PasswordChecks } from './password-checks.ts';
import { hashPassword } from './passwords.ts';
import { isRobotName } from './robot-names.ts';
import { generateSecret, hashSecret } from './robot-secrets.ts';
import type { Tokens } from './tokens.ts';

// A conformance run with a slow hash on every request took 91 s (measured 2026-11-21): verified ones are remembered.
const MOST_VERIFIED = 1_000;
const VERIFIED_MS = 5 * 60 * 1000;

export interface Authenticator {
  /**
   * Who sent this `Authorization` header; nobody is anonymous.
   *
   * @throws OciError UNAUTHORIZED for a wrong password, an unknown user, a token that is not valid, or another scheme;
   *   TOOMANYREQUESTS when many come with passwords that were not seen before
   */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

export function createAuthenticator(
  accounts: Accounts,
  tokens: Pick<Tokens, 'verify'>,
): Authenticator {
  const checks = new PasswordChecks();
  // By a hash of the header and of what it was compared with: no password stays in memory, and a changed one is compared
  // anew. Those who come with the same one at the same time share a check.
  const verified = new LRUCache<string, Promise<boolean>>({ max: MOST_VERIFIED, ttl: VERIFIED_MS });
  let decoy: Promise<string> | undefined;
  const robotDecoy = hashSecret(generateSecret());

  async function isRight(
    header: string,
    { name, password }: { readonly name: string; readonly password: string },
    account: Account | undefined,
  ) {
    // An unknown name costs as much as a wrong password, so that the time tells nobody which names exist.
    decoy ??= hashPassword('');
    const other = isRobotName(name) ? robotDecoy : await decoy;
    const passwordHash = account?.passwordHash ?? other;
    const key = createHash('sha256').update(header).update(passwordHash).digest('base64');
    const known = verified.get(key);
    if (known !== undefined) return known;
    const checking = checks.matches(password, passwordHash);
    verified.set(key, checking);
    const forget = (): void => void verified.delete(key);
    checking.then((matches) => matches || forget(), forget);
    return checking;
  }

  return {
    async authenticate(authorization) {
      if (authorization === undefined || authorization === '') return ANONYMOUS;
      const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
      if (token !== undefined) return tokens.verify(token);
      const { name, password } = basicOf(authorization);
      // Clients without credentials send an empty pair where they must send something.
      if (name === '' && password === '') return ANONYMOUS;
      const account = await accounts.find(name);
      const matches = await isRight(authorization, { name, password }, account);
      if (account === undefined || !matches) throw new OciError('UNAUTHORIZED');
      return account.caller;
    },
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
