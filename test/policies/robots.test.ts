import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Subject } from '../../policies/access.ts';
import { mayGive, type RobotGrant, refusedGrants, rightsOf } from '../../policies/robots.ts';

const PULL: RobotGrant = { kind: 'project', project: 7, permissions: ['repository:pull'] };
const PULL_ANYWHERE: RobotGrant = { ...PULL, project: '*' };
const ROBOTS: RobotGrant = { kind: 'system', permissions: ['robot:create'] };

describe('what a robot may be given', () => {
  for (const { name, level, grants, refused } of [
    { name: 'one project', level: 'project', grants: [PULL], refused: undefined },
    { name: 'the node and projects', level: 'system', grants: [ROBOTS, PULL], refused: undefined },
    { name: 'every project', level: 'system', grants: [PULL_ANYWHERE], refused: undefined },
    { name: 'nothing', level: 'system', grants: [], refused: /without permissions/ },
    {
      name: 'a permission of nothing',
      level: 'system',
      grants: [{ ...PULL, permissions: [] }],
      refused: /without access/,
    },
    { name: 'more than its project', level: 'project', grants: [PULL, PULL], refused: /its own/ },
    { name: 'every project', level: 'project', grants: [PULL_ANYWHERE], refused: /its own/ },
    { name: 'the node', level: 'project', grants: [ROBOTS], refused: /its own/ },
    {
      name: "a word that is none of the table's",
      level: 'project',
      grants: [{ ...PULL, permissions: ['repository:pull', 'repository:burn'] }],
      refused: /repository:burn/,
    },
    {
      name: "a project's permission for the node",
      level: 'system',
      grants: [{ ...ROBOTS, permissions: ['repository:pull'] }],
      refused: /repository:pull of kind system/,
    },
    {
      name: "the node's configuration",
      level: 'system',
      grants: [{ ...ROBOTS, permissions: ['configuration:update'] }],
      refused: /configuration:update/,
    },
  ] as const) {
    it(`of level ${level}: ${refused === undefined ? '' : 'not '}${name}`, () => {
      const why = refusedGrants(level, grants);

      if (refused === undefined) assert.equal(why, undefined);
      else assert.match(why ?? '', refused);
    });
  }
});

describe('what a caller may give to a robot', () => {
  const person: Subject = { isAdmin: false, roles: new Map() };
  const robot = (...grants: readonly RobotGrant[]): Subject => ({
    ...person,
    robot: rightsOf(grants),
  });
  const push: RobotGrant = { ...PULL, permissions: ['repository:push', 'repository:pull'] };

  for (const { name, caller, wanted, expected } of [
    {
      name: 'a person: whatever is theirs to make',
      caller: person,
      wanted: [ROBOTS],
      expected: true,
    },
    {
      name: 'a robot: what it has',
      caller: robot(push, ROBOTS),
      wanted: [PULL, ROBOTS],
      expected: true,
    },
    { name: 'a robot: no action more', caller: robot(PULL), wanted: [push], expected: false },
    {
      name: 'a robot: nothing of the node',
      caller: robot(PULL),
      wanted: [ROBOTS],
      expected: false,
    },
    {
      name: 'a robot: no project more',
      caller: robot(PULL),
      wanted: [{ ...PULL, project: 8 }],
      expected: false,
    },
    {
      name: 'a robot: not every project for one',
      caller: robot(PULL),
      wanted: [PULL_ANYWHERE],
      expected: false,
    },
    {
      name: 'a robot: one project of every',
      caller: robot(PULL_ANYWHERE),
      wanted: [PULL],
      expected: true,
    },
    {
      name: 'a robot: what it has in pieces',
      caller: robot(PULL_ANYWHERE, { ...PULL, permissions: ['repository:push'] }),
      wanted: [push],
      expected: true,
    },
  ] as const) {
    it(name, () => {
      assert.equal(mayGive(caller, rightsOf(wanted)), expected);
    });
  }
});
