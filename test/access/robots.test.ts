import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { may, maySystem } from '../../policies/access.ts';
import { isSecret } from '../../src/access/robot-secrets.ts';
import type { NewRobot } from '../../src/access/robots.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { addProject } from './projects.ts';
import {
  AT,
  BY_ADMIN,
  CI,
  openRobots,
  PULL,
  privateProject,
  removeProject,
} from './robots-world.ts';

const DAY_MS = 86_400_000;

for (const engine of databases) {
  describe(`a robot on ${engine.name}`, () => {
    it('of a project signs in by a name with it, and may there what it was given', async () => {
      await using world = await openRobots(engine);

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
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);

      const { secret } = await world.robots.create(CI, BY_ADMIN);

      assert.match(secret, /^[A-Za-z0-9]{32}$/);
      const rows = [
        await world.database.read.selectFrom('robots').selectAll().execute(),
        await world.database.read.selectFrom('audit').selectAll().execute(),
      ];
      assert.ok(!JSON.stringify(rows).includes(secret));
    });

    it('takes a secret of its own, under the rules of passwords', async () => {
      await using world = await openRobots(engine);

      await assert.rejects(world.robots.create({ ...CI, secret: 'short' }, BY_ADMIN), {
        code: 'BAD_REQUEST',
      });
      const { secret } = await world.robots.create({ ...CI, secret: 'Own4Robot' }, BY_ADMIN);

      assert.equal(secret, 'Own4Robot');
      assert.equal(await world.accepts('Own4Robot'), true);
    });

    it('gets a new secret, which voids the old one and its tokens', async () => {
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);

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
      await using world = await openRobots(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);
      world.clock.now = AT + 5000;

      await world.robots.update(robot.id, { ...CI, disabled: true }, BY_ADMIN);
      assert.equal(await world.accounts.find('robot$team+ci'), undefined);

      await world.robots.update(robot.id, CI, BY_ADMIN);
      assert.equal((await world.accounts.find('robot$team+ci'))?.validFrom, AT + 5000);
    });

    it('goes, with its name free for another', async () => {
      await using world = await openRobots(engine);
      const { robot } = await world.robots.create(CI, BY_ADMIN);

      await world.robots.remove(robot.id, BY_ADMIN.actor);

      await assert.rejects(world.robots.get(robot.id), { code: 'NOT_FOUND' });
      assert.equal(await world.accounts.find('robot$team+ci'), undefined);
      await world.robots.create(CI, BY_ADMIN);
    });

    it('goes with its project, and is no robot of the next one of that name', async () => {
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);
      const system: NewRobot = { ...CI, level: 'system', permissions: [PULL] };
      const { robot } = await world.robots.create(system, BY_ADMIN);
      await removeProject(world.database, world.team);

      await world.robots.update(robot.id, { disabled: true, permissions: [] }, BY_ADMIN);

      assert.equal((await world.robots.get(robot.id)).disabled, true);
      assert.equal(await world.accounts.find('robot$ci'), undefined);
    });
  });
}
