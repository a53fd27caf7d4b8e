import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../src/access/accounts.ts';
import { createLastLogins } from '../../src/access/last-logins.ts';
import { isPassword } from '../../src/access/passwords.ts';
import { createUsers, type NewUser } from '../../src/access/users.ts';
import { createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/database/database.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';

const AT = Date.UTC(2026, 10, 21);
const ACTOR = { name: 'admin', address: '192.0.2.7' };
const ALICE: NewUser = {
  name: 'alice',
  password: 'Right4Alice',
  email: 'alice@corp.example',
  realName: 'Alice Liddell',
  comment: 'from Oxford',
};

for (const engine of databases) {
  describe(`a user on ${engine.name}`, () => {
    it('is created with a profile and no rights, and its password is nowhere', async () => {
      await using world = await open(engine);

      const alice = await world.users.create(ALICE, ACTOR);

      const { password, ...profile } = ALICE;
      assert.deepEqual(alice, {
        ...profile,
        id: alice.id,
        isAdmin: false,
        disabled: false,
        lastLoginAt: undefined,
        createdAt: AT,
        updatedAt: AT,
      });
      assert.deepEqual(await world.users.get(alice.id), alice);
      const rows = await world.database.read.selectFrom('users').selectAll().execute();
      const log = await world.audit();
      assert.ok(!JSON.stringify([rows, log]).includes(password));
      assert.deepEqual(log, ['admin create user alice: create user alice']);
    });

    for (const [what, wrong] of [
      ['no name', { name: '' }],
      ['a name of 256 characters', { name: 'a'.repeat(256) }],
      ...[',', '~', '#', '$', '%', ':', '\n', '\0'].map(
        (sign) => [`${JSON.stringify(sign)} in its name`, { name: `a${sign}b` }] as const,
      ),
      ['spaces around its name', { name: ' alice' }],
      ['the name of nobody', { name: 'Anonymous' }],
      ['a password of 7 characters', { password: 'Abcdef1' }],
      ['a password of 129 characters', { password: `Aa1${'x'.repeat(126)}` }],
      ['a password without a capital', { password: 'abcdefg1' }],
      ['a password without a small letter', { password: 'ABCDEFG1' }],
      ['a password without a digit', { password: 'Abcdefgh' }],
      ['no email', { email: '' }],
      ['an email without a host', { email: 'alice@' }],
      ['no real name', { realName: '' }],
      ['a real name with a comma', { realName: 'Liddell, Alice' }],
      ['a comment of 31 characters', { comment: 'x'.repeat(31) }],
    ] as const) {
      it(`is refused with ${what}`, async () => {
        await using world = await open(engine);

        await assert.rejects(world.users.create({ ...ALICE, ...wrong }, ACTOR), {
          code: 'BAD_REQUEST',
        });
        assert.equal((await world.users.list(EVERYTHING)).total, 1);
        assert.deepEqual(await world.audit(), []);
      });
    }

    it('has a name and an email of its own', async () => {
      await using world = await open(engine);
      await world.users.create(ALICE, ACTOR);
      const bob = await world.users.create({ ...ALICE, name: 'bob', email: 'b@c.example' }, ACTOR);
      const { email, realName, comment } = ALICE;

      for (const same of [{ name: 'carol' }, { email: 'carol@corp.example' }]) {
        await assert.rejects(world.users.create({ ...ALICE, ...same }, ACTOR), {
          code: 'CONFLICT',
        });
      }
      await assert.rejects(world.users.updateProfile(bob.id, { email, realName, comment }, ACTOR), {
        code: 'CONFLICT',
      });
    });

    it('is found by a part of its name, and by no other secret', async () => {
      await using world = await open(engine);
      await world.users.create(ALICE, ACTOR);
      const fuzzy = (field: string, value: string) =>
        world.users.list({ ...EVERYTHING, filters: [{ field, kind: 'fuzzy', value }] });

      assert.deepEqual(
        (await fuzzy('name', 'LIC')).items.map(({ name }) => name),
        ['alice'],
      );
      assert.equal((await fuzzy('password_hash', 'nothing')).total, 2);
    });

    it('keeps what a change does not name, whatever others change at the time', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);

      await Promise.all([
        world.users.updateProfile(id, { realName: 'Alice B' }, ACTOR),
        world.users.updateProfile(id, { email: 'a@b.example' }, ACTOR),
        world.users.updateProfile(id, { comment: 'here' }, ACTOR),
      ]);

      const { email, realName, comment } = await world.users.get(id);
      assert.deepEqual([email, realName, comment], ['a@b.example', 'Alice B', 'here']);
    });

    it('is changed and removed, and each change is written down', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      const profile = { email: 'a@b.example', realName: 'A', comment: '' };

      await world.users.updateProfile(id, profile, ACTOR);
      await world.users.setAdmin(id, true, ACTOR);
      await world.users.setDisabled(id, true, ACTOR);

      const { email, realName, isAdmin, disabled } = await world.users.get(id);
      assert.deepEqual([email, realName, isAdmin, disabled], ['a@b.example', 'A', true, true]);
      await world.users.remove(id, ACTOR);
      await assert.rejects(world.users.get(id), { code: 'NOT_FOUND' });
      assert.deepEqual((await world.audit()).slice(1), [
        'admin update user alice: update user alice: profile',
        'admin update user alice: update user alice: made admin',
        'admin update user alice: update user alice: disabled',
        'admin delete user alice: delete user alice',
      ]);
    });

    it('that is unknown is not found, whatever is asked of it', async () => {
      await using world = await open(engine);
      const { users } = world;
      const profile = { email: 'a@b.example', realName: 'A', comment: '' };

      for (const asked of [
        () => users.get(77),
        () => users.updateProfile(77, profile, ACTOR),
        () => users.setAdmin(77, true, ACTOR),
        () => users.changePassword(77, { password: 'Another4You' }, ACTOR),
        () => users.setDisabled(77, true, ACTOR),
        () => users.remove(77, ACTOR),
      ]) {
        await assert.rejects(asked, { code: 'NOT_FOUND' });
      }
    });

    it('that is disabled is nobody, and its tokens from before stay void', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      world.clock.now = AT + 5000;

      await world.users.setDisabled(id, true, ACTOR);
      assert.equal(await world.accounts.find('alice'), undefined);

      await world.users.setDisabled(id, false, ACTOR);
      assert.equal((await world.accounts.find('alice'))?.validFrom, AT + 5000);
    });

    it('changes its password with the one it has, which voids what was issued before', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      world.clock.now = AT + 5000;
      const password = 'Another4Alice';

      await assert.rejects(
        world.users.changePassword(id, { password, current: 'Wrong4Alice' }, ACTOR),
        { code: 'FORBIDDEN' },
      );
      await assert.rejects(world.users.changePassword(id, { password: 'short' }, ACTOR), {
        code: 'BAD_REQUEST',
      });
      await assert.rejects(world.users.changePassword(id, { password: ALICE.password }, ACTOR), {
        code: 'BAD_REQUEST',
      });
      assert.equal((await world.accounts.find('alice'))?.validFrom, AT);
      await world.users.changePassword(id, { password, current: ALICE.password }, ACTOR);

      const account = await world.accounts.find('alice');
      assert.equal(account?.validFrom, AT + 5000);
      assert.equal(await isPassword(password, account?.passwordHash ?? ''), true);
    });

    it('changes its password once with the one it has, however many try at a time', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      const current = ALICE.password;

      const outcomes = await Promise.allSettled(
        ['Another4Alice', 'Third4Alice'].map((password) =>
          world.users.changePassword(id, { password, current }, ACTOR),
        ),
      );

      const refused = outcomes.filter(({ status }) => status === 'rejected');
      assert.equal(refused.length, 1);
      assert.match(JSON.stringify(refused), /"code":"FORBIDDEN"/);
    });

    it('that has the name of a removed one is somebody else to tokens', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      await world.users.remove(id, ACTOR);
      world.clock.now = AT + 5000;

      const { id: another } = await world.users.create(ALICE, ACTOR);

      assert.notEqual(another, id);
      assert.equal((await world.accounts.find('alice'))?.validFrom, AT + 5000);
    });

    it('deletes nobody who is itself', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);

      await assert.rejects(world.users.remove(id, { ...ACTOR, name: 'alice' }), {
        code: 'FORBIDDEN',
      });
    });

    it('has the time of its last login written down once for many', async () => {
      await using world = await open(engine);
      const { id } = await world.users.create(ALICE, ACTOR);
      const now = () => world.clock.now;
      const revision = world.database.revision();
      {
        await using logins = createLastLogins(world.database, { now });
        for (let n = 1; n <= 1000; n++) {
          world.clock.now = AT + n;
          logins.note(id);
        }
        assert.equal(world.database.revision(), revision);
      }

      assert.equal((await world.users.get(id)).lastLoginAt, AT + 1000);
    });
  });

  describe(`the built-in admin on ${engine.name}`, () => {
    it('cannot be removed, disabled, or made no admin', async () => {
      await using world = await open(engine);
      const actor = { ...ACTOR, name: 'another' };

      await assert.rejects(world.users.remove(1, actor), { code: 'FORBIDDEN' });
      await assert.rejects(world.users.setDisabled(1, true, actor), { code: 'FORBIDDEN' });
      await assert.rejects(world.users.setAdmin(1, false, actor), { code: 'FORBIDDEN' });
      assert.equal((await world.users.get(1)).isAdmin, true);
    });

    it('loses its tokens when the configuration gives it another password', async () => {
      await using world = await open(engine);
      world.clock.now = AT + 5000;

      await world.users.ensureAdmin('admin');
      assert.notEqual((await world.accounts.find('admin'))?.validFrom, AT + 5000);
      await world.users.ensureAdmin('another');

      assert.equal((await world.accounts.find('admin'))?.validFrom, AT + 5000);
    });
  });
}

async function open(engine: (typeof databases)[number]) {
  const database: Database = await engine.open();
  const clock = { now: AT };
  const users = createUsers(database, { now: () => clock.now });
  await users.ensureAdmin('admin');
  return {
    database,
    clock,
    users,
    accounts: createAccounts(database, { now: () => clock.now }),
    /** The oldest first. */
    async audit() {
      const { items } = await createAudit(database).list(EVERYTHING);
      return items
        .map(
          (row) =>
            `${row.actor} ${row.operation} ${row.resourceType} ${row.resource}: ${row.detail}`,
        )
        .toReversed();
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
