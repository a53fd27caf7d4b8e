import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAccounts } from '../../src/access/accounts.ts';
import { createAuthenticator } from '../../src/access/authenticator.ts';
import { createRobots } from '../../src/access/robots.ts';
import { createSessions } from '../../src/access/sessions.ts';
import { createUsers } from '../../src/access/users.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { type Cache, createMemoryCache } from '../../src/cache/cache.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases, type TestEngine } from '../support/databases.ts';
import { noToken } from './keys.ts';

const AT = Date.UTC(2026, 10, 21);
const MINUTE_MS = 60_000;
const ADDRESS = '192.0.2.7';
const ACTOR = { name: 'admin', address: ADDRESS };
const ALICE = { name: 'alice', password: 'Right4Alice', address: ADDRESS };

for (const engine of databases) {
  describe(`a session on ${engine.name}`, () => {
    it('is of who logged in, by an id that nobody guesses and that the cache does not have', async () => {
      await using world = await open(engine);

      const id = await world.sessions.logIn(ALICE);
      const another = await world.sessions.logIn(ALICE);

      assert.match(id, /^[A-Za-z0-9_-]{43}$/);
      assert.notEqual(id, another);
      assert.equal((await world.sessions.find(id))?.name, 'alice');
      assert.equal(await world.sessions.find(`${id.slice(0, -1)}_`), undefined);
      assert.ok(world.keys.size > 0);
      assert.ok([...world.keys].every((key) => !key.includes(id)));
    });

    it('is not given for a wrong password, nor to a robot', async () => {
      await using world = await open(engine);
      const robot = await world.robots.create(
        {
          name: 'ci',
          level: 'system',
          description: '',
          durationDays: -1,
          disabled: false,
          permissions: [
            { kind: 'system', namespace: '/', access: [{ resource: 'user', action: 'list' }] },
          ],
        },
        { subject: { isAdmin: true, roles: new Map() }, actor: ACTOR },
      );

      for (const [name, password] of [
        ['alice', 'wrong'],
        ['nobody', ALICE.password],
        ['robot$ci', robot.secret],
      ] as const) {
        await assert.rejects(world.sessions.logIn({ ...ALICE, name, password }), {
          code: 'UNAUTHORIZED',
        });
      }
    });

    it('ends an hour after it was last used', async () => {
      await using world = await open(engine);
      const id = await world.sessions.logIn(ALICE);

      for (let n = 0; n < 5; n++) {
        world.pass(59 * MINUTE_MS);
        assert.equal((await world.sessions.find(id))?.name, 'alice');
      }
      world.pass(60 * MINUTE_MS);
      assert.equal(await world.sessions.find(id), undefined);
    });

    it('is not put off by a look that is none of its user', async () => {
      await using world = await open(engine);
      const id = await world.sessions.logIn(ALICE);

      world.pass(40 * MINUTE_MS);
      assert.ok(await world.sessions.find(id, { renew: false }));
      world.pass(20 * MINUTE_MS);

      assert.equal(await world.sessions.find(id), undefined);
    });

    it('is another one after each login: one that was there before is nobody’s', async () => {
      await using world = await open(engine);
      const planted = await world.sessions.logIn({ ...ALICE, name: 'bob' });

      const id = await world.sessions.logIn({ ...ALICE, previous: planted });

      assert.notEqual(id, planted);
      assert.equal(await world.sessions.find(planted), undefined);
      assert.equal((await world.sessions.find(id))?.name, 'alice');
    });

    it('is one of twenty of its user: the oldest ends, and nobody else’s does', async () => {
      await using world = await open(engine);
      const bobs = await world.sessions.logIn({ ...ALICE, name: 'bob' });
      const ids: string[] = [];
      for (let count = 0; count < 21; count++) ids.push(await world.sessions.logIn(ALICE));

      const found = await Promise.all(ids.map((id) => world.sessions.find(id)));

      assert.deepEqual(
        found.map((caller) => caller?.name),
        [undefined, ...Array.from({ length: 20 }, () => 'alice')],
      );
      assert.equal((await world.sessions.find(bobs))?.name, 'bob');
    });

    it('stays where another login of its browser fails', async () => {
      await using world = await open(engine);
      const id = await world.sessions.logIn(ALICE);

      const wrong = world.sessions.logIn({ ...ALICE, password: 'Wrong4Alice', previous: id });

      await assert.rejects(wrong, { code: 'UNAUTHORIZED' });
      assert.equal((await world.sessions.find(id))?.name, 'alice');
    });

    it('ends when its user logs out, whatever was under way', async () => {
      await using world = await open(engine);
      const id = await world.sessions.logIn(ALICE);
      world.pass(2 * MINUTE_MS);

      await Promise.all([
        world.sessions.find(id),
        world.sessions.logOut(id, ADDRESS),
        world.sessions.find(id),
      ]);

      assert.equal(await world.sessions.find(id), undefined);
    });

    it('ends with all others of its user, and of no one else', async () => {
      await using world = await open(engine);
      const ids = [await world.sessions.logIn(ALICE), await world.sessions.logIn(ALICE)];
      const bobs = await world.sessions.logIn({ ...ALICE, name: 'bob' });

      await world.sessions.endAll(world.alice);

      for (const id of ids) assert.equal(await world.sessions.find(id), undefined);
      assert.equal((await world.sessions.find(bobs))?.name, 'bob');
      world.pass(1);
      assert.ok(await world.sessions.find(await world.sessions.logIn(ALICE)));
    });

    for (const [what, change] of [
      [
        'its user gets another password',
        ({ users, alice }) => users.changePassword(alice, { password: 'Another4You' }, ACTOR),
      ],
      ['its user is disabled', ({ users, alice }) => users.setDisabled(alice, true, ACTOR)],
      ['its user is removed', ({ users, alice }) => users.remove(alice, ACTOR)],
    ] as const satisfies readonly (readonly [string, (world: World) => Promise<void>])[]) {
      it(`ends when ${what}`, async () => {
        await using world = await open(engine);
        const id = await world.sessions.logIn(ALICE);
        world.pass(1);

        await change(world);

        assert.equal(await world.sessions.find(id), undefined);
      });
    }

    it('has the rights that its user has now', async () => {
      await using world = await open(engine);
      const id = await world.sessions.logIn(ALICE);
      assert.equal((await world.sessions.find(id))?.isAdmin, false);

      await world.users.setAdmin(world.alice, true, ACTOR);

      assert.equal((await world.sessions.find(id))?.isAdmin, true);
    });

    it('begins and ends in the audit log, and a refused login is there once', async () => {
      await using world = await open(engine);
      const before = (await world.audit()).length;
      const wrong = { ...ALICE, password: 'wrong' };
      for (let n = 0; n < 20; n++) await assert.rejects(world.sessions.logIn(wrong));
      const id = await world.sessions.logIn(ALICE);
      await world.sessions.logOut(id, ADDRESS);
      await world.sessions.logOut(id, ADDRESS);

      assert.deepEqual((await world.audit()).slice(before), [
        'alice at 192.0.2.7: login, refused login of user alice, false',
        'alice at 192.0.2.7: login, login of user alice, true',
        'alice at 192.0.2.7: logout, logout of user alice, true',
      ]);
    });

    it('refused is in the audit log ten times a minute, whatever names somebody tries', async () => {
      await using world = await open(engine);
      const before = (await world.audit()).length;
      const attempts = async (from: number) => {
        for (let n = from; n < from + 15; n++) {
          await assert.rejects(world.sessions.logIn({ ...ALICE, name: `nobody${n}` }));
        }
      };

      await attempts(0);
      assert.equal((await world.audit()).length, before + 10);
      world.pass(MINUTE_MS);
      await attempts(15);

      assert.equal((await world.audit()).length, before + 20);
    });
  });
}

type World = Awaited<ReturnType<typeof open>>;

async function open(engine: TestEngine) {
  const database = await engine.open();
  const clock = { now: AT };
  const now = () => clock.now;
  const users = createUsers(database, { now });
  await users.ensureAdmin('admin');
  const [alice = 0] = await Promise.all(
    ['alice', 'bob'].map(async (name) => {
      const profile = { email: `${name}@corp.example`, realName: name, comment: '' };
      return (await users.create({ ...profile, name, password: ALICE.password }, ACTOR)).id;
    }),
  );
  const accounts = createAccounts(database, { now });
  const keys = new Set<string>();
  return {
    users,
    alice,
    keys,
    robots: createRobots(database, { now }),
    sessions: createSessions({
      database,
      cache: watched(createMemoryCache(), keys),
      accounts,
      authenticator: createAuthenticator(accounts, { verify: noToken }, { now }),
      now,
    }),
    pass(ms: number) {
      clock.now += ms;
    },
    /** The oldest first. */
    async audit() {
      const { items } = await createAudit(database).list(EVERYTHING);
      return items
        .map(
          (row) =>
            `${row.actor} at ${row.address}: ${row.operation}, ${row.detail}, ${row.succeeded}`,
        )
        .toReversed();
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** Notes everything that is written, keys and values. */
function watched(cache: Cache, seen: Set<string>): Cache {
  return {
    store(name, schema) {
      const store = cache.store(name, schema);
      return {
        ...store,
        async set(key, value, ttlMs) {
          seen.add(`${key} ${JSON.stringify(value)}`);
          await store.set(key, value, ttlMs);
        },
      };
    },
  };
}
