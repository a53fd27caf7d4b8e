import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { OciError } from '../oci/error.ts';
import { ANONYMOUS, type Caller } from './caller.ts';
import { hashPassword, isPassword } from './passwords.ts';
import type { Tokens } from './tokens.ts';
import type { User, Users } from './users.ts';

// A conformance run with a slow hash on every request took 91 s (measured 2026-11-21): verified ones are remembered.
const MOST_VERIFIED = 1_000;
const VERIFIED_MS = 5 * 60 * 1000;

export interface Authenticator {
  /**
   * Who sent this `Authorization` header; nobody is anonymous.
   *
   * @throws OciError UNAUTHORIZED for a wrong password, an unknown user, a token that is not valid, or another scheme
   */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

interface Verified {
  readonly passwordHash: string;
  readonly caller: Caller;
}

export function createAuthenticator(
  users: Pick<Users, 'find'>,
  tokens: Pick<Tokens, 'verify'>,
): Authenticator {
  // By a hash of the header, so that no password stays in memory; a changed password empties its entry's meaning.
  const verified = new LRUCache<string, Verified>({ max: MOST_VERIFIED, ttl: VERIFIED_MS });
  let decoy: Promise<string> | undefined;

  async function verify(name: string, password: string, user: User | undefined): Promise<Caller> {
    // An unknown name costs as much as a wrong password, so that the time tells nobody which names exist.
    decoy ??= hashPassword('');
    const matches = await isPassword(password, user?.passwordHash ?? (await decoy));
    if (user === undefined || !matches) throw new OciError('UNAUTHORIZED');
    return { name, isAdmin: user.isAdmin, isAnonymous: false };
  }

  return {
    async authenticate(authorization) {
      if (authorization === undefined || authorization === '') return ANONYMOUS;
      const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
      if (token !== undefined) return tokens.verify(token);
      const { name, password } = basicOf(authorization);
      // Clients without credentials send an empty pair where they must send something.
      if (name === '' && password === '') return ANONYMOUS;
      const user = await users.find(name);
      const key = createHash('sha256').update(authorization).digest('base64');
      const known = verified.get(key);
      if (known !== undefined && known.passwordHash === user?.passwordHash) return known.caller;
      const caller = await verify(name, password, user);
      if (user !== undefined) verified.set(key, { passwordHash: user.passwordHash, caller });
      return caller;
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
