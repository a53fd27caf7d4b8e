import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../src/access/accounts.ts';
import { createAuthenticator } from '../../src/access/authenticator.ts';
import { ANONYMOUS } from '../../src/access/caller.ts';
import { createLocalIdentities, type IdentityProvider } from '../../src/access/identity.ts';
import { PasswordChecks } from '../../src/access/password-checks.ts';
import { createRefreshTokens } from '../../src/access/refresh-tokens.ts';
import { createTokens } from '../../src/access/tokens.ts';
import { createUsers } from '../../src/access/users.ts';
import type { Database } from '../../src/database/database.ts';
import { databases, type TestEngine } from '../support/databases.ts';
import { noToken, signingKeysOn } from './keys.ts';

const now = () => 1_000;
const ADDRESS = '192.0.2.7';
const ACTOR = { name: 'admin', address: ADDRESS };
const basic = (name: string, password: string) => `Basic ${btoa(`${name}:${password}`)}`;

for (const engine of databases) {
  describe(`the admin on ${engine.name}`, () => {
    it('gets a generated password once, which then works', async () => {
      await using database = await engine.open();
      const users = createUsers(database, { now });

      const generated = await users.ensureAdmin(undefined);

      assert.ok(generated !== undefined && generated.length >= 20);
      assert.equal(await users.ensureAdmin(undefined), undefined);
      const caller = await (await authenticatorOn(database)).authenticate(
        basic('admin', generated),
        ADDRESS,
      );
      assert.equal(caller.name, 'admin');
      assert.equal(caller.isAdmin, true);
    });

    it('has the configured password from then on, and no other', async () => {
      await using database = await engine.open();
      const users = createUsers(database, { now });
      const authenticator = await authenticatorOn(database);
      await users.ensureAdmin('old');
      await authenticator.authenticate(basic('admin', 'old'), ADDRESS);

      await users.ensureAdmin('new');

      await assert.rejects(authenticator.authenticate(basic('admin', 'old'), ADDRESS), {
        code: 'UNAUTHORIZED',
      });
      assert.equal(
        (await authenticator.authenticate(basic('admin', 'new'), ADDRESS)).name,
        'admin',
      );
    });

    it('has a password that is nowhere in the database', async () => {
      await using database = await engine.open();
      await createUsers(database, { now }).ensureAdmin('plain-text-password');

      const rows = await database.read.selectFrom('users').selectAll().execute();

      assert.ok(!JSON.stringify(rows).includes('plain-text-password'));
      assert.match(rows[0]?.password_hash ?? '', /^\$argon2id\$/);
    });
  });

  describe(`a password that is changed while the old one is checked, on ${engine.name}`, () => {
    it('lets nobody in who came with the old one', async () => {
      await using world = await changing(engine);
      const { accounts, users, id } = world;
      const local = createLocalIdentities(accounts, new PasswordChecks());
      const slow: IdentityProvider = {
        async authenticate(name, password) {
          const identity = await local.authenticate(name, password);
          await users.changePassword(id, { password: 'Another4Alice' }, ACTOR);
          return identity;
        },
      };
      const authenticator = createAuthenticator(
        accounts,
        { verify: noToken },
        { identities: slow },
      );

      const signingIn = authenticator.signIn('alice', 'Right4Alice', ADDRESS);

      await assert.rejects(signingIn, { code: 'UNAUTHORIZED' });
    });

    it('voids what those get afterwards who were let in before', async () => {
      await using world = await changing(engine);
      const { database, accounts, users, id } = world;
      const authenticator = createAuthenticator(accounts, { verify: noToken });
      const keys = await signingKeysOn(database, { now });
      const tokens = createTokens({ accounts, keys, now });
      const refreshTokens = createRefreshTokens({ database, accounts, now, expiryMs: 1_000 });
      const caller = await authenticator.signIn('alice', 'Right4Alice', ADDRESS);
      const kept = await refreshTokens.issue(caller, 'docker');

      world.clock.now += 1;
      await users.changePassword(id, { password: 'Another4Alice' }, ACTOR);

      const refused = { code: 'UNAUTHORIZED' };
      const { token } = await tokens.issue(caller, []);
      await assert.rejects(tokens.verify(token), refused);
      await assert.rejects(refreshTokens.issue(caller, 'docker'), refused);
      await assert.rejects(refreshTokens.exchange(kept), refused);
      const left = await database.read.selectFrom('refresh_tokens').selectAll().execute();
      assert.deepEqual(left, []);
    });
  });

  describe(`an Authorization header on ${engine.name}`, () => {
    for (const { name, header } of [
      { name: 'a wrong password', header: basic('admin', 'wrong') },
      { name: 'an unknown user', header: basic('nobody', 'right') },
      { name: 'another scheme', header: 'Bearer abc' },
      { name: 'no colon', header: `Basic ${btoa('admin')}` },
      { name: 'no base64', header: 'Basic ???' },
    ]) {
      it(`with ${name} is refused`, async () => {
        await using database = await engine.open();
        const users = createUsers(database, { now });
        await users.ensureAdmin('right');

        await assert.rejects((await authenticatorOn(database)).authenticate(header, ADDRESS), {
          code: 'UNAUTHORIZED',
        });
      });
    }

    it('that is missing or says nothing is anonymous', async () => {
      await using database = await engine.open();
      const authenticator = await authenticatorOn(database);

      assert.equal(await authenticator.authenticate(undefined, ADDRESS), ANONYMOUS);
      assert.equal(await authenticator.authenticate(basic('', ''), ADDRESS), ANONYMOUS);
    });
  });
}

async function changing(engine: TestEngine) {
  const database = await engine.open();
  const clock = { now: 1_000 };
  const accounts = createAccounts(database, { now });
  const users = createUsers(database, { now: () => clock.now });
  await users.ensureAdmin('admin');
  const profile = { email: 'alice@corp.example', realName: 'Alice', comment: '' };
  const { id } = await users.create({ name: 'alice', password: 'Right4Alice', ...profile }, ACTOR);
  const close = () => database[Symbol.asyncDispose]();
  return { database, clock, accounts, users, id, [Symbol.asyncDispose]: close };
}

async function authenticatorOn(database: Database) {
  return createAuthenticator(createAccounts(database, { now }), { verify: noToken });
}
