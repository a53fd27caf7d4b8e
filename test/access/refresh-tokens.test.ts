import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../src/access/accounts.ts';
import { createRefreshTokens } from '../../src/access/refresh-tokens.ts';
import type { Database } from '../../src/database/database.ts';
import { databases } from '../support/databases.ts';

const HOUR_MS = 60 * 60 * 1000;
const AT = Date.UTC(2026, 10, 21);
const REFUSED = { code: 'UNAUTHORIZED' };

for (const engine of databases) {
  describe(`refresh tokens on ${engine.name}`, () => {
    it('are good for their user until they were not used for long enough', async () => {
      await using database = await engine.open();
      const { tokens, alice, clock } = await worldOn(database);
      const token = await tokens.issue({ id: alice }, 'docker');

      for (const _ of [1, 2, 3]) {
        clock.now += 24 * HOUR_MS - 1;
        assert.equal((await tokens.exchange(token)).name, 'alice');
      }

      clock.now += 24 * HOUR_MS;
      await assert.rejects(tokens.exchange(token), REFUSED);
      await assert.rejects(tokens.exchange(''), REFUSED);
    });

    it('are a thousand for a user at most, those that were used last', async () => {
      await using database = await engine.open();
      const { tokens, alice, clock } = await worldOn(database);
      const oldest = await tokens.issue({ id: alice }, 'docker');
      clock.now += HOUR_MS;
      await addLogins(database, { user: alice, at: clock.now - 1, count: 998 });
      const used = await tokens.issue({ id: alice }, 'docker');
      await tokens.exchange(oldest);

      const newest = await tokens.issue({ id: alice }, 'docker');

      const rows = await database.read.selectFrom('refresh_tokens').select('hash').execute();
      assert.equal(rows.length, 1_000);
      for (const token of [oldest, used, newest]) {
        assert.equal((await tokens.exchange(token)).name, 'alice');
      }
    });
  });
}

async function worldOn(database: Database) {
  const clock = { now: AT };
  const now = (): number => clock.now;
  const { id } = await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values({ name: 'alice', password_hash: '', admin: 0, created_at: AT, updated_at: AT })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  const accounts = createAccounts(database, { now });
  const tokens = createRefreshTokens({ database, accounts, now, expiryMs: 24 * HOUR_MS });
  return { tokens, alice: id, clock };
}

async function addLogins(
  database: Database,
  { user, at, count }: { user: number; at: number; count: number },
): Promise<void> {
  const row = { user_id: user, client: '', created_at: at, used_at: at, expires_at: 2 * at };
  const rows = Array.from({ length: count }, (_, n) => ({ ...row, hash: `login ${n}` }));
  await database.write((transaction) =>
    transaction.insertInto('refresh_tokens').values(rows).execute(),
  );
}
