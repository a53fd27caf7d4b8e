import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { may } from '../../policies/access.ts';
import { createAccounts } from '../../src/access/accounts.ts';
import { createGroups } from '../../src/access/groups.ts';
import { createMembers } from '../../src/access/members.ts';
import { createUsers } from '../../src/access/users.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases, type TestEngine } from '../support/databases.ts';
import { addProject } from './projects.ts';

const AT = Date.UTC(2026, 10, 21);
const ACTOR = { name: 'admin', address: '192.0.2.7' };
const now = () => AT;
const STAFF = { name: 'staff', kind: 'oidc' } as const;

for (const engine of databases) {
  describe(`the members of a project on ${engine.name}`, () => {
    it('are users and groups with a role, by name', async () => {
      await using world = await open(engine);
      const { members, team, alice, staff } = world;

      await members.add(team, { user: { name: 'bob' } }, 'guest', ACTOR);
      await members.add(team, { group: STAFF }, 'maintainer', ACTOR);
      const added = await members.add(team, { user: { id: alice } }, 'developer', ACTOR);

      const { items, total } = await members.list(team, EVERYTHING);
      assert.equal(total, 3);
      assert.deepEqual(
        items.map(({ kind, name, role }) => [kind, name, role]),
        [
          ['user', 'alice', 'developer'],
          ['user', 'bob', 'guest'],
          ['group', 'staff', 'maintainer'],
        ],
      );
      assert.equal(items[2]?.entityId, staff);
      assert.deepEqual(items[0], added);
      assert.deepEqual(await members.get(team, added.id), added);
      assert.equal((await members.list(world.other, EVERYTHING)).total, 0);
    });

    it('are found by a part of their name, by role and by kind', async () => {
      await using world = await open(engine);
      const { members, team } = world;
      await members.add(team, { user: { name: 'alice' } }, 'developer', ACTOR);
      await members.add(team, { group: STAFF }, 'guest', ACTOR);

      for (const filter of [
        { field: 'name', kind: 'fuzzy', value: 'TAF' },
        { field: 'role', kind: 'exact', value: 'guest' },
        { field: 'kind', kind: 'exact', value: 'group' },
      ] as const) {
        const { items } = await members.list(team, { ...EVERYTHING, filters: [filter] });
        assert.deepEqual(
          items.map(({ name }) => name),
          ['staff'],
        );
      }
    });

    it('are nobody who is unknown, and nobody twice', async () => {
      await using world = await open(engine);
      const { members, team } = world;
      await members.add(team, { user: { name: 'alice' } }, 'developer', ACTOR);

      for (const who of [
        { user: { name: 'carol' } },
        { user: { id: 77 } },
        { group: { id: 77 } },
        { group: { ...STAFF, kind: 'http' } },
      ] as const) {
        await assert.rejects(members.add(team, who, 'guest', ACTOR), { code: 'NOT_FOUND' });
      }
      await assert.rejects(members.add(77, { user: { name: 'bob' } }, 'guest', ACTOR), {
        code: 'NOT_FOUND',
      });
      await assert.rejects(members.add(team, { user: { name: 'alice' } }, 'guest', ACTOR), {
        code: 'CONFLICT',
      });
      assert.equal((await members.list(team, EVERYTHING)).total, 1);
    });

    it('may at once what their role may, and nothing any more when they are none', async () => {
      await using world = await open(engine);
      const { members, team } = world;
      const mayPush = async () => {
        const account = await world.accounts.find('alice');
        assert.ok(account);
        return may(account.caller, 'repository:push', { id: team, isPublic: false });
      };

      const { id } = await members.add(team, { user: { name: 'alice' } }, 'guest', ACTOR);
      assert.equal(await mayPush(), false);
      await members.changeRole(team, id, 'developer', ACTOR);
      assert.equal(await mayPush(), true);
      await members.remove(team, id, ACTOR);
      assert.equal(await mayPush(), false);
    });

    it('belong to their project alone', async () => {
      await using world = await open(engine);
      const { members, team, other } = world;
      const { id } = await members.add(team, { user: { name: 'alice' } }, 'guest', ACTOR);

      await assert.rejects(members.get(other, id), { code: 'NOT_FOUND' });
      await assert.rejects(members.changeRole(other, id, 'projectAdmin', ACTOR), {
        code: 'NOT_FOUND',
      });
      await assert.rejects(members.remove(other, id, ACTOR), { code: 'NOT_FOUND' });
      assert.equal((await members.get(team, id)).role, 'guest');
    });

    it('come and go in the log of their project', async () => {
      await using world = await open(engine);
      const { members, team } = world;
      const { id } = await members.add(team, { user: { name: 'alice' } }, 'guest', ACTOR);
      await members.changeRole(team, id, 'developer', ACTOR);
      await members.remove(team, id, ACTOR);

      const { items } = await createAudit(world.database).list(EVERYTHING, { projects: [team] });

      assert.deepEqual(
        items.map(({ detail }) => detail),
        ['delete member alice', 'update member alice: developer', 'create member alice: guest'],
      );
    });

    it('go with the user', async () => {
      await using world = await open(engine);
      const { members, team, alice } = world;
      await members.add(team, { user: { id: alice } }, 'guest', ACTOR);

      await world.users.remove(alice, ACTOR);

      assert.equal((await members.list(team, EVERYTHING)).total, 0);
    });
  });

  describe(`a user group on ${engine.name}`, () => {
    it('gives its members its role beside their own, until they leave it', async () => {
      await using world = await open(engine);
      const { members, groups, team, other, alice, staff } = world;
      await members.add(team, { user: { name: 'alice' } }, 'guest', ACTOR);
      await members.add(team, { group: STAFF }, 'developer', ACTOR);
      await members.add(other, { group: STAFF }, 'guest', ACTOR);
      const roles = async () => (await world.accounts.find('alice'))?.caller.roles;

      for (const _ of ['once', 'again']) {
        await groups.setMember(staff, { user: alice, isIn: true }, ACTOR);
      }
      const within = await roles();
      assert.deepEqual(within?.get(team)?.toSorted(), ['developer', 'guest']);
      assert.deepEqual(within?.get(other), ['guest']);

      await groups.setMember(staff, { user: alice, isIn: false }, ACTOR);
      assert.deepEqual(await roles(), new Map([[team, ['guest']]]));
    });

    it('is renamed and removed, and its members lose what it gave them', async () => {
      await using world = await open(engine);
      const { members, groups, team, staff, alice } = world;
      await groups.setMember(staff, { user: alice, isIn: true }, ACTOR);
      await members.add(team, { group: { id: staff } }, 'developer', ACTOR);

      await groups.rename(staff, 'people', ACTOR);
      assert.equal((await groups.get(staff)).name, 'people');
      assert.equal((await members.list(team, EVERYTHING)).items[0]?.name, 'people');
      await groups.remove(staff, ACTOR);

      await assert.rejects(groups.get(staff), { code: 'NOT_FOUND' });
      assert.equal((await members.list(team, EVERYTHING)).total, 0);
      assert.deepEqual((await world.accounts.find('alice'))?.caller.roles, new Map());
    });

    it('has a name of its own among its kind, and a DN where that is LDAP', async () => {
      await using world = await open(engine);
      const { groups } = world;
      const ldap = { name: 'devs', kind: 'ldap', ldapDn: 'cn=devs,dc=corp' } as const;
      await groups.create(ldap, ACTOR);
      await groups.create({ name: 'staff', kind: 'http' }, ACTOR);

      await assert.rejects(groups.create(STAFF, ACTOR), { code: 'CONFLICT' });
      await assert.rejects(groups.create({ ...ldap, name: 'other' }, ACTOR), { code: 'CONFLICT' });
      for (const wrong of [
        { name: ' ', kind: 'oidc' },
        { name: 'x'.repeat(256), kind: 'oidc' },
        { name: 'devs', kind: 'ldap' },
        { ...ldap, kind: 'oidc' },
      ] as const) {
        await assert.rejects(groups.create(wrong, ACTOR), { code: 'BAD_REQUEST' });
      }
      const { items } = await groups.list({
        ...EVERYTHING,
        filters: [{ field: 'name', kind: 'fuzzy', value: 'TAF' }],
        sort: [{ field: 'kind', descending: false }],
      });
      assert.deepEqual(
        items.map(({ name, kind }) => [name, kind]),
        [
          ['staff', 'http'],
          ['staff', 'oidc'],
        ],
      );
    });
  });
}

async function open(engine: TestEngine) {
  const database = await engine.open();
  const users = createUsers(database, { now });
  const groups = createGroups(database, { now });
  await users.ensureAdmin('admin');
  const [alice = 0] = await Promise.all(
    ['alice', 'bob'].map(async (name) => {
      const profile = { email: `${name}@corp.example`, realName: name, comment: '' };
      return (await users.create({ ...profile, name, password: 'Right4You' }, ACTOR)).id;
    }),
  );
  const { id: staff } = await groups.create(STAFF, ACTOR);
  return {
    database,
    users,
    groups,
    members: createMembers(database, { now }),
    accounts: createAccounts(database, { now }),
    alice,
    staff,
    team: await addProject(database, 'team'),
    other: await addProject(database, 'other'),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
