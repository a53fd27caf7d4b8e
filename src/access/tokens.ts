import { randomUUID } from 'node:crypto';
import { generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { OciError } from '../oci/error.ts';
import type { Accounts } from './accounts.ts';
import { ANONYMOUS, type Caller, type Grant } from './caller.ts';

/** What challenges call this node, and what its tokens are for. */
export const SERVICE = 'portolan';
/** Seconds. A client asks again when it ends; an upload goes on with the token that it began with. */
const LIFETIME_SECONDS = 300;
/**
 * Clocks of one site differ by seconds, and docker gives up where a token that is good by its own clock is refused
 * (docs/wire-notes.md 2: distribution takes them for as long).
 */
const LEEWAY_SECONDS = 60;
/** Verifying ES256 costs four times the rest of a small request; a text that was good is good until it ends. */
const MOST_VERIFIED = 10_000;
/** Of their texts, in characters: anybody gets tokens, with a hundred scopes in each. */
const LARGEST_VERIFIED = 4 * 1024 * 1024;

const Claims = z.object({
  sub: z.string(),
  exp: z.number(),
  access: z.array(
    z.object({
      type: z.enum(['repository', 'registry']),
      name: z.string(),
      actions: z.array(z.string()),
    }),
  ),
});
type Claims = z.infer<typeof Claims>;

export interface IssuedToken {
  readonly token: string;
  readonly expiresInSeconds: number;
  /** Milliseconds UTC. */
  readonly issuedAt: number;
}

export interface Tokens {
  issue(caller: Caller, grants: readonly Grant[]): Promise<IssuedToken>;
  /** @throws OciError UNAUTHORIZED for a token that is not ours, has ended, or whose user is gone */
  verify(token: string): Promise<Caller>;
}

/** Signs with a key of this process's own: a token ends with the process at the latest, and its client gets another. */
export async function createTokens({
  accounts,
  now,
}: {
  readonly accounts: Accounts;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): Promise<Tokens> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const verified = new LRUCache<string, Claims>({
    max: MOST_VERIFIED,
    maxSize: LARGEST_VERIFIED,
    sizeCalculation: (_claims, token) => token.length,
  });

  async function claimsOf(token: string): Promise<Claims> {
    const known = verified.get(token);
    if (known !== undefined && now() < (known.exp + LEEWAY_SECONDS) * 1000) return known;
    try {
      const { payload } = await jwtVerify(token, publicKey, {
        algorithms: ['ES256'],
        audience: SERVICE,
        issuer: SERVICE,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(now()),
      });
      const claims = Claims.parse(payload);
      verified.set(token, claims);
      return claims;
    } catch (cause) {
      throw new OciError('UNAUTHORIZED', { message: 'the token is not valid', cause });
    }
  }

  return {
    async issue(caller, grants) {
      const issuedAt = now();
      const seconds = Math.floor(issuedAt / 1000);
      const token = await new SignJWT({ access: grants })
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
        .setIssuer(SERVICE)
        .setAudience(SERVICE)
        .setSubject(caller.isAnonymous ? '' : caller.name)
        .setIssuedAt(seconds)
        .setNotBefore(seconds - LEEWAY_SECONDS)
        .setExpirationTime(seconds + LIFETIME_SECONDS)
        .setJti(randomUUID())
        .sign(privateKey);
      return { token, expiresInSeconds: LIFETIME_SECONDS, issuedAt };
    },

    async verify(token) {
      const { sub, access: grants } = await claimsOf(token);
      if (sub === '') return { ...ANONYMOUS, grants };
      // Asked anew each time: the user may be gone, or be no admin any more.
      const account = await accounts.find(sub);
      if (account === undefined) throw new OciError('UNAUTHORIZED');
      return { ...account.caller, grants };
    },
  };
}
