import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  may,
  mayAnywhere,
  maySystem,
  type ProjectPermission,
  ROBOT_PROJECT_PERMISSIONS,
  ROBOT_SYSTEM_PERMISSIONS,
  ROLES,
  type RobotRights,
  type Role,
  type Subject,
} from '../../policies/access.ts';

const OPEN = { id: 1, isPublic: true };
const CLOSED = { id: 2, isPublic: false };
const NOBODY: Subject = { isAdmin: false, roles: new Map() };
const ADMIN: Subject = { ...NOBODY, isAdmin: true };

function member(role: Role): Subject {
  return { ...NOBODY, roles: new Map([[CLOSED.id, [role]]]) };
}

function robot(rights: Partial<RobotRights>): Subject {
  return {
    ...NOBODY,
    robot: { system: new Set(), everywhere: new Set(), projects: new Map(), ...rights },
  };
}

describe('what a caller may do in a project', () => {
  const ROWS: readonly { permission: ProjectPermission; roles: readonly Role[] }[] = [
    { permission: 'repository:pull', roles: ROLES },
    { permission: 'repository:list', roles: ROLES },
    { permission: 'repository:push', roles: ['projectAdmin', 'maintainer', 'developer'] },
    { permission: 'repository:delete', roles: ['projectAdmin', 'maintainer'] },
    { permission: 'artifact:create', roles: ['projectAdmin', 'maintainer', 'developer'] },
    { permission: 'tag:delete', roles: ['projectAdmin', 'maintainer'] },
    { permission: 'label:read', roles: ['projectAdmin', 'maintainer', 'developer', 'guest'] },
    { permission: 'member:create', roles: ['projectAdmin'] },
    { permission: 'member:list', roles: ['projectAdmin', 'maintainer', 'developer', 'guest'] },
    { permission: 'metadata:read', roles: ['projectAdmin', 'maintainer'] },
    { permission: 'immutable-tag:create', roles: ['projectAdmin', 'maintainer'] },
    { permission: 'project:delete', roles: ['projectAdmin'] },
    { permission: 'project:read', roles: ROLES },
    { permission: 'log:list', roles: ['projectAdmin'] },
    { permission: 'configuration:update', roles: ['projectAdmin'] },
    { permission: 'quota:read', roles: ROLES },
  ];
  for (const { permission, roles } of ROWS) {
    it(`${permission} is for ${roles.join(', ')} and the system admin`, () => {
      const allowed = ROLES.filter((role) => may(member(role), permission, CLOSED));

      assert.deepEqual(allowed, roles);
      assert.equal(may(ADMIN, permission, CLOSED), true);
      assert.equal(may(NOBODY, permission, CLOSED), false);
    });
  }

  it('is what any of several roles allows, in the project that gave it alone', () => {
    const twice = { ...NOBODY, roles: new Map([[CLOSED.id, ['guest', 'developer'] as const]]) };

    assert.equal(may(twice, 'repository:push', CLOSED), true);
    assert.equal(may(twice, 'repository:push', { id: 3, isPublic: false }), false);
  });

  it('is to look and pull, for anybody in a public one', () => {
    for (const permission of ['project:read', 'repository:pull', 'tag:list'] as const) {
      assert.equal(may(NOBODY, permission, OPEN), true, permission);
    }
    for (const permission of ['repository:push', 'member:list', 'log:list'] as const) {
      assert.equal(may(NOBODY, permission, OPEN), false, permission);
    }
  });

  it('is for a robot what it was given, here or everywhere', () => {
    const here = robot({ projects: new Map([[CLOSED.id, new Set(['repository:push'])]]) });
    const everywhere = robot({ everywhere: new Set(['repository:push']) });

    assert.equal(may(here, 'repository:push', CLOSED), true);
    assert.equal(may(here, 'repository:pull', CLOSED), false);
    assert.equal(may(here, 'repository:push', OPEN), false);
    assert.equal(may(here, 'repository:pull', OPEN), true);
    assert.equal(may(everywhere, 'repository:push', CLOSED), true);
  });
});

describe('what a caller may do in any project', () => {
  it('is what an admin may, and a robot that was given it everywhere', () => {
    const guest = { ...NOBODY, roles: new Map([[CLOSED.id, ['guest' as const]]]) };
    const reader = robot({
      everywhere: new Set(['project:read']),
      projects: new Map([[CLOSED.id, new Set(['tag:list'])]]),
    });

    assert.equal(mayAnywhere(ADMIN, 'tag:list'), true);
    assert.equal(mayAnywhere(guest, 'tag:list'), false);
    assert.equal(mayAnywhere(reader, 'project:read'), true);
    assert.equal(mayAnywhere(reader, 'tag:list'), false);
  });
});

describe('what a caller may do to the node', () => {
  it('is everything for the system admin, and for a robot what it was given', () => {
    const reader = robot({ system: new Set(['user:list']) });

    assert.equal(maySystem(ADMIN, 'user:list'), true);
    assert.equal(maySystem(member('projectAdmin'), 'user:list'), false);
    assert.equal(maySystem(reader, 'user:list'), true);
    assert.equal(maySystem(reader, 'user:create'), false);
  });
});

describe('what a robot may be given', () => {
  it('is to make, read and remove robots, and not to change them', () => {
    for (const permissions of [ROBOT_PROJECT_PERMISSIONS, ROBOT_SYSTEM_PERMISSIONS]) {
      const ofRobots = [...permissions].filter((permission) => permission.startsWith('robot:'));
      assert.deepEqual(ofRobots.toSorted(), [
        'robot:create',
        'robot:delete',
        'robot:list',
        'robot:read',
      ]);
    }
  });

  it('is a resource and an action', () => {
    for (const permission of [...ROBOT_PROJECT_PERMISSIONS, ...ROBOT_SYSTEM_PERMISSIONS]) {
      assert.match(permission, /^[a-z-]+:[a-z]+$/);
    }
  });
});
