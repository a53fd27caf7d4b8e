import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { may, maySystem, type Subject } from '../../policies/access.ts';
import { createAccounts } from '../../src/access/accounts.ts';
import type { RobotPermission } from '../../src/access/robot-grants.ts';
import { isSecret } from '../../src/access/robot-secrets.ts';
import { createRobots, type NewRobot } from '../../src/access/robots.ts';
import { createAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/database/database.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases, type TestEngine } from '../support/databases.ts';
import { addProject } from './projects.ts';

const AT = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;
const ADMIN: Subject = { isAdmin: true, roles: new Map() };
const BY_ADMIN = { subject: ADMIN, actor: { name: 'admin', address: '192.0.2.7' } };
const PULL: RobotPermission = {
  kind: 'project',
  namespace: 'team',
  access: [{ resource: 'repository', action: 'pull' }],
};
const CI: NewRobot = {
  name: 'ci',
  level: 'project',
  description: 'builds',
  durationDays: 30,
  disabled: false,
  permissions: [PULL],
};

for (const engine of databases) {
  describe(`a robot on ${engine.name}`, () => {
    it('of a project signs in by a name with it, and may there what it was given', async () => {
      await using world = await open(engine);

      const { robot, secret } = await world.robots.create(CI, BY_ADMIN);

      assert.equal(robot.fullName, 'robot$team+ci');
      assert.deepEqual(await world.robots.get(robot.id), robot);
      const account = await world.accounts.find('robot$team+ci');
      assert.ok(account);
      assert.equal(isSecret(secret, account.passwordHash), true);
      assert.equal(isSecret(`${secret}x`, account.passwordHash), false);
      assert.equal(may(account.caller, 'repository:pull', privateProject(world.team)), true);
      assert.equal(may(account.caller, 'repository:push', privateProject(world.team)), false);
      assert.equal(may(account.caller, 'repository:pull', privateProject(world.other)), false);
      for (const name of [
        'robot$ci',
        'robot$other+ci',
        'robot$team+c',
        'ci',
        'robot$',
        'robot$+',
      ]) {
        assert.equal(await world.accounts.find(name), undefined, name);
      }
    });

    it('of the node may be given the node and every project', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(
        {
          ...CI,
          level: 'system',
          permissions: [
            { ...PULL, namespace: '*' },
            { kind: 'system', namespace: '/', access: [{ resource: 'user', action: 'list' }] },
          ],
        },
        BY_ADMIN,
      );

      const account = await world.accounts.find('robot$ci');
      assert.ok(account);
      assert.equal(robot.fullName, 'robot$ci');
      assert.equal(may(account.caller, 'repository:pull', privateProject(99)), true);
      assert.equal(maySystem(account.caller, 'user:list'), true);
      assert.equal(maySystem(account.caller, 'user:create'), false);
    });

    it('has a secret that is in no row, in either form', async () => {
      await using world = await open(engine);

      const { secret } = await world.robots.create(CI, BY_ADMIN);

      assert.match(secret, /^[A-Za-z0-9]{32}$/);
      const rows = [
        await world.database.read.selectFrom('robots').selectAll().execute(),
        await world.database.read.selectFrom('audit').selectAll().execute(),
      ];
      assert.ok(!JSON.stringify(rows).includes(secret));
    });

    it('takes a secret of its own, under the rules of passwords', async () => {
      await using world = await open(engine);

      await assert.rejects(world.robots.create({ ...CI, secret: 'short' }, BY_ADMIN), {
        code: 'BAD_REQUEST',
      });
      const { secret } = await world.robots.create({ ...CI, secret: 'Own4Robot' }, BY_ADMIN);

      assert.equal(secret, 'Own4Robot');
      assert.equal(await world.accepts('Own4Robot'), true);
    });

    it('gets a new secret, which voids the old one and its tokens', async () => {
      await using world = await open(engine);
      const { robot, secret } = await world.robots.create(CI, BY_ADMIN);
      world.clock.now = AT + 5000;

      const made = await world.robots.changeSecret(robot.id, undefined, BY_ADMIN);
      assert.equal(await world.accepts(secret), false);
      assert.equal(await world.accepts(made ?? ''), true);
      assert.equal((await world.accounts.find('robot$team+ci'))?.validFrom, AT + 5000);

      assert.equal(await world.robots.changeSecret(robot.id, 'Own4Robot', BY_ADMIN), undefined);
      assert.equal(await world.accepts('Own4Robot'), true);
      await assert.rejects(world.robots.changeSecret(robot.id, 'weak', BY_ADMIN), {
        code: 'BAD_REQUEST',
      });
    });

    it('is nobody from the moment on at which it expires', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create({ ...CI, durationDays: 1 }, BY_ADMIN);
      assert.equal(robot.expiresAt, AT + DAY_MS);

      world.clock.now = AT + DAY_MS - 1;
      assert.ok(await world.accounts.find('robot$team+ci'));
      world.clock.now = AT + DAY_MS;
      assert.equal(await world.accounts.find('robot$team+ci'), undefined);

      await world.robots.update(robot.id, { ...CI, durationDays: 2 }, BY_ADMIN);
      assert.equal((await world.robots.get(robot.id)).expiresAt, AT + 2 * DAY_MS);
      await world.robots.update(robot.id, { ...CI, durationDays: -1 }, BY_ADMIN);
      world.clock.now = AT + 10_000 * DAY_MS;
      assert.ok(await world.accounts.find('robot$team+ci'));
    });

    it('may last longer than any date', async () => {
      await using world = await open(engine);

      const { robot } = await world.robots.create({ ...CI, durationDays: 2 ** 31 - 1 }, BY_ADMIN);

      const found = await world.robots.get(robot.id);
      assert.equal(found.durationDays, 2 ** 31 - 1);
      assert.equal(new Date(found.expiresAt ?? 0).getUTCFullYear(), 275_760);
      assert.ok(await world.accounts.find('robot$team+ci'));
      const { total } = await world.robots.list(world.team, EVERYTHING);
      assert.equal(total, 1);
      await world.robots.remove(robot.id, BY_ADMIN.actor);
    });

    it('is nobody while it is disabled, and its tokens from before stay void', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);
      world.clock.now = AT + 5000;

      await world.robots.update(robot.id, { ...CI, disabled: true }, BY_ADMIN);
      assert.equal(await world.accounts.find('robot$team+ci'), undefined);

      await world.robots.update(robot.id, CI, BY_ADMIN);
      assert.equal((await world.accounts.find('robot$team+ci'))?.validFrom, AT + 5000);
    });

    it('goes, with its name free for another', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);

      await world.robots.remove(robot.id, BY_ADMIN.actor);

      await assert.rejects(world.robots.get(robot.id), { code: 'NOT_FOUND' });
      assert.equal(await world.accounts.find('robot$team+ci'), undefined);
      await world.robots.create(CI, BY_ADMIN);
    });

    it('goes with its project, and is no robot of the next one of that name', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);
      const system: NewRobot = { ...CI, level: 'system', permissions: [PULL] };
      const { robot: roving } = await world.robots.create(system, BY_ADMIN);
      await removeProject(world.database, world.team);
      const another = await addProject(world.database, 'team');

      assert.equal(await world.accounts.find('robot$team+ci'), undefined);
      await assert.rejects(world.robots.get(robot.id), { code: 'NOT_FOUND' });
      const caller = (await world.accounts.find('robot$ci'))?.caller;
      assert.ok(caller);
      assert.equal(may(caller, 'repository:pull', privateProject(another)), false);
      assert.deepEqual((await world.robots.get(roving.id)).permissions, []);
    });

    it('keeps what a change does not name, whatever others change at the time', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);

      await Promise.all([
        world.robots.update(robot.id, { disabled: true }, BY_ADMIN),
        world.robots.update(robot.id, { description: 'idle' }, BY_ADMIN),
        world.robots.update(robot.id, { durationDays: 3 }, BY_ADMIN),
      ]);

      const { disabled, description, durationDays, permissions } = await world.robots.get(robot.id);
      assert.deepEqual([disabled, description, durationDays], [true, 'idle', 3]);
      assert.deepEqual(permissions, robot.permissions);
    });

    it('whose projects are gone can be disabled all the same', async () => {
      await using world = await open(engine);
      const system: NewRobot = { ...CI, level: 'system', permissions: [PULL] };
      const { robot } = await world.robots.create(system, BY_ADMIN);
      await removeProject(world.database, world.team);

      await world.robots.update(robot.id, { disabled: true, permissions: [] }, BY_ADMIN);

      assert.equal((await world.robots.get(robot.id)).disabled, true);
      assert.equal(await world.accounts.find('robot$ci'), undefined);
    });

    for (const [what, wrong, code] of [
      ['a name in capitals', { name: 'CI' }, 'BAD_REQUEST'],
      ['a + in its name', { name: 'team+ci' }, 'BAD_REQUEST'],
      ['no days', { durationDays: 0 }, 'BAD_REQUEST'],
      ['half a day', { durationDays: 0.5 }, 'BAD_REQUEST'],
      ['fewer days than for ever', { durationDays: -2 }, 'BAD_REQUEST'],
      ['no permissions', { permissions: [] }, 'BAD_REQUEST'],
      ['a project that is not there', { permissions: [{ ...PULL, namespace: 'x' }] }, 'NOT_FOUND'],
      ['every project', { permissions: [{ ...PULL, namespace: '*' }] }, 'BAD_REQUEST'],
      [
        'a namespace that the node has not',
        { level: 'system', permissions: [{ ...PULL, kind: 'system' }] },
        'BAD_REQUEST',
      ],
    ] as const) {
      it(`is refused with ${what}`, async () => {
        await using world = await open(engine);

        await assert.rejects(world.robots.create({ ...CI, ...wrong }, BY_ADMIN), { code });
        assert.equal((await world.robots.list(world.team, EVERYTHING)).total, 0);
      });
    }

    it('has a name of its own in its project, stays there, and is listed there', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);
      const elsewhere = [{ ...PULL, namespace: 'other' }];

      await assert.rejects(world.robots.create(CI, BY_ADMIN), { code: 'CONFLICT' });
      await assert.rejects(
        world.robots.update(robot.id, { ...CI, permissions: elsewhere }, BY_ADMIN),
        { code: 'BAD_REQUEST' },
      );
      await world.robots.create({ ...CI, permissions: elsewhere }, BY_ADMIN);
      await world.robots.create({ ...CI, level: 'system', permissions: elsewhere }, BY_ADMIN);

      const filters = [{ field: 'name', kind: 'fuzzy', value: 'C' }] as const;
      for (const [project, fullName] of [
        [world.team, 'robot$team+ci'],
        [world.other, 'robot$other+ci'],
        [undefined, 'robot$ci'],
      ] as const) {
        const { items } = await world.robots.list(project, { ...EVERYTHING, filters });
        assert.deepEqual(
          items.map((each) => each.fullName),
          [fullName],
        );
      }
    });

    it('gives others only what it has, and becomes nobody who has more', async () => {
      await using world = await open(engine);
      const { robots } = world;
      const maker: RobotPermission = {
        ...PULL,
        access: [...PULL.access, { resource: 'robot', action: 'create' }],
      };
      await robots.create({ ...CI, name: 'maker', permissions: [maker] }, BY_ADMIN);
      const subject = (await world.accounts.find('robot$team+maker'))?.caller;
      assert.ok(subject);
      const giver = { subject, actor: { name: 'robot$team+maker', address: '::1' } };
      const push = { ...PULL, access: [{ resource: 'repository', action: 'push' }] };
      const strong = { ...CI, name: 'strong', permissions: [push] };
      const { robot: other } = await robots.create(strong, BY_ADMIN);

      const { robot } = await robots.create(CI, giver);
      assert.equal(robot.creator, 'robot$team+maker');
      for (const more of [
        () => robots.create({ ...strong, name: 'stronger' }, giver),
        () => robots.update(robot.id, { ...CI, permissions: [push] }, giver),
        () => robots.update(other.id, { ...CI }, giver),
        () => robots.changeSecret(other.id, undefined, giver),
      ]) {
        await assert.rejects(more, { code: 'FORBIDDEN' });
      }
    });

    it('comes, changes and goes in the log of its project', async () => {
      await using world = await open(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);
      await world.robots.changeSecret(robot.id, undefined, BY_ADMIN);
      await world.robots.remove(robot.id, BY_ADMIN.actor);

      const { items } = await createAudit(world.database).list(EVERYTHING, {
        projects: [world.team],
      });

      assert.deepEqual(
        items.map(({ detail }) => detail),
        [
          'delete robot robot$team+ci',
          'update robot robot$team+ci: secret',
          'create robot robot$team+ci',
        ],
      );
    });
  });
}

function privateProject(id: number) {
  return { id, isPublic: false };
}

async function open(engine: TestEngine) {
  const database = await engine.open();
  const clock = { now: AT };
  const now = () => clock.now;
  const accounts = createAccounts(database, { now });
  return {
    database,
    clock,
    accounts,
    robots: createRobots(database, { now }),
    /** Whether `robot$team+ci` has the secret. */
    async accepts(secret: string) {
      const account = await accounts.find('robot$team+ci');
      return account !== undefined && isSecret(secret, account.passwordHash);
    },
    team: await addProject(database, 'team'),
    other: await addProject(database, 'other'),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

async function removeProject(database: Database, id: number): Promise<void> {
  await database.write((transaction) =>
    transaction.updateTable('projects').set({ deleted_at: AT }).where('id', '=', id).execute(),
  );
}
