import { randomUUID } from 'node:crypto';
import { decodeProtectedHeader, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { OciError } from '../oci/error.ts';
import type { Accounts } from './accounts.ts';
import { ANONYMOUS, type Caller, type Grant } from './caller.ts';
import type { SigningKeys } from './signing-keys.ts';
import { LEEWAY_SECONDS, LONGEST_LIFETIME_SECONDS, USUAL_LIFETIME_SECONDS } from './token-times.ts';

/** What challenges call this node, and what its tokens are for. */
export const SERVICE = 'portolan';
/** Verifying ES256 costs four times the rest of a small request; a text that was good is good until it ends. */
const MOST_VERIFIED = 10_000;
/** Of their texts, in characters: anybody gets tokens, with a hundred scopes in each. */
const LARGEST_VERIFIED = 4 * 1024 * 1024;

const NOT_VALID = 'the token is not valid';

const Claims = z.object({
  sub: z.string(),
  /** Ours: of the row, since another may have the name later. 0 is nobody's. */
  uid: z.number(),
  /** Ours: milliseconds UTC, since `iat` has seconds and a project may be made within one. */
  iat_ms: z.number(),
  /**
   * Ours: of the account when its password was checked. Times would not do: a token for an old password may be issued
   * after the new one was there.
   */
  valid_from: z.number(),
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
  /** For this node, or for another `service` that trusts it. */
  issue(
    caller: Caller,
    grants: readonly Grant[],
    options?: { readonly service: string },
  ): Promise<IssuedToken>;
  /**
   * @throws OciError UNAUTHORIZED for a token that is not ours, not for us, or has ended, or whose user is gone, disabled,
   *   or has another password since
   */
  verify(token: string): Promise<Caller>;
}

export interface TokensOptions {
  readonly accounts: Accounts;
  readonly keys: Pick<SigningKeys, 'signing' | 'verifying'>;
  /** Of the tokens that are issued now; five minutes where nobody says, and never more than half an hour. */
  readonly lifetimeSeconds?: () => Promise<number>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export function createTokens(options: TokensOptions): Tokens {
  const claimsOf = createVerifier(options);
  return {
    issue: (caller, grants, { service } = { service: SERVICE }) =>
      signed(options, caller, { grants, service }),

    async verify(token) {
      const claims = await claimsOf(token);
      const { sub, uid, iat_ms: issuedAt, access: grants } = claims;
      if (sub === '') return { ...ANONYMOUS, grants, issuedAt };
      // Asked anew each time: the user may be gone, or be no admin any more.
      const account = await options.accounts.find(sub);
      const isGone = account === undefined || account.caller.id !== uid;
      if (isGone || claims.valid_from !== account.validFrom) throw new OciError('UNAUTHORIZED');
      return { ...account.caller, grants, issuedAt };
    },
  };
}

async function signed(
  { keys, now, lifetimeSeconds = usualLifetime }: TokensOptions,
  caller: Caller,
  { grants, service }: { readonly grants: readonly Grant[]; readonly service: string },
): Promise<IssuedToken> {
  const issuedAt = now();
  const { kid, privateKey } = await keys.signing();
  const seconds = Math.floor(issuedAt / 1000);
  const lifetime = Math.min(await lifetimeSeconds(), LONGEST_LIFETIME_SECONDS);
  const own = { uid: caller.id, iat_ms: issuedAt, valid_from: caller.validFrom ?? 0 };
  const token = await new SignJWT({ access: grants, ...own })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid })
    .setIssuer(SERVICE)
    .setAudience(service)
    .setSubject(caller.isAnonymous ? '' : caller.name)
    .setIssuedAt(seconds)
    .setNotBefore(seconds - LEEWAY_SECONDS)
    .setExpirationTime(seconds + lifetime)
    .setJti(randomUUID())
    .sign(privateKey);
  return { token, expiresInSeconds: lifetime, issuedAt };
}

async function usualLifetime(): Promise<number> {
  return USUAL_LIFETIME_SECONDS;
}

interface Verified {
  readonly kid: string;
  readonly claims: Claims;
}

/** What a token says, if it is one of ours and has not ended. */
function createVerifier({ keys, now }: TokensOptions): (token: string) => Promise<Claims> {
  const verified = new LRUCache<string, Verified>({
    max: MOST_VERIFIED,
    maxSize: LARGEST_VERIFIED,
    sizeCalculation: (_verified, token) => token.length,
  });

  return async (token) => {
    const known = verified.get(token);
    const isKnown = known !== undefined && now() < (known.claims.exp + LEEWAY_SECONDS) * 1000;
    const kid = isKnown ? known.kid : kidOf(token);
    // Also of a text that is known: its key may have been taken away since.
    const key = await keys.verifying(kid);
    if (key === undefined) throw new OciError('UNAUTHORIZED', { message: NOT_VALID });
    if (isKnown) return known.claims;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['ES256'],
        audience: SERVICE,
        issuer: SERVICE,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(now()),
      });
      const claims = Claims.parse(payload);
      verified.set(token, { kid, claims });
      return claims;
    } catch (cause) {
      throw new OciError('UNAUTHORIZED', { message: NOT_VALID, cause });
    }
  };
}

/** Of the key that a token says it is signed with. @throws OciError UNAUTHORIZED */
function kidOf(token: string): string {
  try {
    return decodeProtectedHeader(token).kid ?? '';
  } catch (cause) {
    throw new OciError('UNAUTHORIZED', { message: NOT_VALID, cause });
  }
}
