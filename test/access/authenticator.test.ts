import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../src/access/accounts.ts';
import { createAuthenticator } from '../../src/access/authenticator.ts';
import { ANONYMOUS } from '../../src/access/caller.ts';
import { createUsers } from '../../src/access/users.ts';
import type { Database } from '../../src/database/database.ts';
import { databases } from '../support/databases.ts';
import { noToken } from './keys.ts';

const now = () => 1_000;
const ADDRESS = '192.0.2.7';
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

async function authenticatorOn(database: Database) {
  return createAuthenticator(createAccounts(database, { now }), { verify: noToken });
}
