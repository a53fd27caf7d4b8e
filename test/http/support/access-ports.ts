import { createAccounts } from '../../../src/access/accounts.ts';
import { createAuthenticator } from '../../../src/access/authenticator.ts';
import { hashPassword } from '../../../src/access/passwords.ts';
import { createRefreshTokens } from '../../../src/access/refresh-tokens.ts';
import { createSessions } from '../../../src/access/sessions.ts';
import type { SigningKeys } from '../../../src/access/signing-keys.ts';
import { createTokens } from '../../../src/access/tokens.ts';
import { createMemoryCache } from '../../../src/cache/cache.ts';
import type { Database } from '../../../src/database/database.ts';
import type { Ports } from '../../../src/http/app.ts';
import { signingKeysOn } from '../../access/keys.ts';

const PASSWORD = 'pw';
const passwordHash = hashPassword(PASSWORD);
const HOUR_MS = 60 * 60 * 1000;

export interface AccessPorts
  extends Pick<Ports, 'access' | 'sessions' | 'tokens' | 'refreshTokens'> {
  readonly keys: SigningKeys;
}

/** Real users, tokens and keys. `admin` may everything, `guest` is only signed in; their password is `pw`. */
export async function accessPortsOn(database: Database, now: () => number): Promise<AccessPorts> {
  const row = { password_hash: await passwordHash, created_at: 0, updated_at: 0 };
  await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values([
        { ...row, name: 'admin', admin: 1 },
        { ...row, name: 'guest', admin: 0 },
      ])
      .execute(),
  );
  const accounts = createAccounts(database, { now });
  const keys = await signingKeysOn(database, { now });
  const tokens = createTokens({ accounts, keys, now });
  const authenticator = createAuthenticator(accounts, tokens, { now });
  const cache = createMemoryCache();
  return {
    access: authenticator,
    sessions: createSessions({ database, cache, accounts, authenticator, now }),
    tokens,
    refreshTokens: createRefreshTokens({ database, accounts, now, expiryMs: HOUR_MS }),
    keys,
  };
}
