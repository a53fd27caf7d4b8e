/** Wires src/access: accounts, signing keys, tokens and sessions, as HTTP asks for them. */
import { createAccounts } from './access/accounts.ts';
import { createAuthenticator } from './access/authenticator.ts';
import { givenSigningKeys } from './access/given-keys.ts';
import { createLocalIdentities } from './access/identity.ts';
import { createLastLogins } from './access/last-logins.ts';
import type { PasswordChecks } from './access/password-checks.ts';
import { createRefreshTokens } from './access/refresh-tokens.ts';
import type { Secrets } from './access/secrets.ts';
import { createSessions } from './access/sessions.ts';
import { createSigningKeys } from './access/signing-keys.ts';
import { createTokens } from './access/tokens.ts';
import type { Cache } from './cache/cache.ts';
import { createSettings } from './catalog/settings.ts';
import type { Config } from './config/load.ts';
import type { Database } from './database/database.ts';
import type { Ports } from './http/app.ts';

interface AccessParts {
  readonly database: Database;
  readonly secrets: Secrets;
  readonly checks: PasswordChecks;
  readonly cache: Cache;
}

/** Who calls, and what proves it: passwords, tokens and sessions. What is opened is closed with `opened`. */
export async function accessPorts(
  opened: AsyncDisposableStack,
  { database, secrets, checks, cache }: AccessParts,
  { tokens: { signingKey, keyRotation, refreshExpiry } }: Config,
  now: () => number,
): Promise<Pick<Ports, 'access' | 'sessions' | 'tokens' | 'refreshTokens' | 'keys'>> {
  const accounts = createAccounts(database, { now });
  const identities = createLocalIdentities(accounts, checks);
  const logins = opened.use(createLastLogins(database, { now }));
  const keys = await (signingKey === undefined
    ? createSigningKeys({ database, secrets, now, rotationMs: keyRotation })
    : givenSigningKeys(signingKey));
  const settings = createSettings({ database, now });
  const lifetimeSeconds = async () => (await settings.current()).tokenMinutes * 60;
  const tokens = createTokens({ accounts, keys, lifetimeSeconds, now });
  const authenticator = createAuthenticator(accounts, tokens, { now, identities, logins });
  return {
    access: authenticator,
    sessions: createSessions({ database, cache, accounts, authenticator, now }),
    tokens,
    refreshTokens: createRefreshTokens({ database, accounts, now, expiryMs: refreshExpiry }),
    keys,
  };
}
