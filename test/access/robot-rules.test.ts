import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RobotPermission } from '../../src/access/robot-grants.ts';
import { createAudit } from '../../src/audit/audit.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';
import { BY_ADMIN, CI, openRobots, PULL } from './robots-world.ts';

for (const engine of databases) {
  describe(`a robot on ${engine.name}`, () => {
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
        await using world = await openRobots(engine);

        await assert.rejects(world.robots.create({ ...CI, ...wrong }, BY_ADMIN), { code });
        assert.equal((await world.robots.list(world.team, EVERYTHING)).total, 0);
      });
    }

    it('has a name of its own in its project, stays there, and is listed there', async () => {
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);
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
      await using world = await openRobots(engine);
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
