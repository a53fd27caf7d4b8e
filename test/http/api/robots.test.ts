import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import {
  isProjectPermission,
  may,
  ROBOT_PROJECT_PERMISSIONS,
  type Role,
} from '../../../policies/access.ts';
import { pushImage } from '../support/push.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const BOB = { password: 'Passw0rd', email: 'bob@example.com', realname: 'Bob' };
const Created = z.object({ id: z.number(), name: z.string(), secret: z.string() });
const Robot = z.object({
  id: z.number(),
  name: z.string(),
  level: z.string(),
  description: z.string(),
  duration: z.number(),
  expires_at: z.number(),
  disable: z.boolean(),
  permissions: z.array(
    z.object({ kind: z.string(), namespace: z.string(), access: z.array(z.unknown()) }),
  ),
});

function access(...permissions: readonly string[]): readonly object[] {
  return permissions.map((permission) => {
    const [resource, action] = permission.split(':');
    return { resource, action };
  });
}

function ofProject(namespace: string, ...permissions: readonly string[]): object {
  return { kind: 'project', namespace, access: access(...permissions) };
}

const CI = {
  name: 'ci',
  level: 'project',
  duration: -1,
  description: 'builds',
  permissions: [ofProject('secret', 'repository:pull', 'member:list')],
};

async function create(node: ApiNode, body: object = CI, as?: string) {
  const answer = await node.call('POST /robots', body, as);
  assert.equal(answer.status, 201, answer.body.toString());
  const { id, name, secret } = Created.parse(answer.json());
  assert.equal(answer.headers.location, `/api/v2.0/robots/${id}`);
  return { path: `/robots/${id}`, name, secret, login: `${name}:${secret}` };
}

describe('a robot', () => {
  it('of a project is created, read, listed, changed and deleted', async () => {
    await using node = await startApiNode();

    const { path, name } = await create(node);
    assert.equal(name, 'robot$secret+ci');
    const robot = Robot.parse((await node.call(`GET ${path}`)).json());
    assert.deepEqual([robot.level, robot.duration, robot.expires_at], ['project', -1, -1]);
    const list = await node.call('GET /robots?q=Level=project,ProjectID=2');
    assert.deepEqual(z.array(Robot).parse(list.json()), [robot]);
    assert.equal((await node.call('GET /robots')).headers['x-total-count'], '0');
    // harbor-cli finds a robot by its name with the project's, and encodes the filter twice.
    for (const [wanted, count] of [
      ['secret%252Bci', '1'],
      ['ci', '1'],
      ['local%252Bci', '0'],
    ] as const) {
      const found = await node.call(
        `GET /robots?q=Level%253Dproject%252CProjectID%253D2%252Cname=${wanted}`,
      );
      assert.equal(found.headers['x-total-count'], count, wanted);
    }

    const change = { ...CI, name, description: 'idle', disable: true, duration: 5 };
    assert.equal((await node.call(`PUT ${path}`, change)).status, 200);
    const changed = Robot.parse((await node.call(`GET ${path}`)).json());
    assert.deepEqual([changed.description, changed.disable, changed.duration], ['idle', true, 5]);
    assert.equal((await node.call(`PUT ${path}`, { disable: false })).status, 200);
    const enabled = Robot.parse((await node.call(`GET ${path}`)).json());
    assert.deepEqual(enabled, { ...changed, disable: false });
    assert.equal((await node.call(`PUT ${path}`, { ...CI, name: 'other' })).status, 400);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal((await node.call(`GET ${path}`)).status, 404);
  });

  it('signs in with its secret until that is another one', async () => {
    await using node = await startApiNode();
    const { path, name, login } = await create(node);
    const members = async (as: string) =>
      (await node.call('GET /projects/secret/members', undefined, as)).status;

    assert.equal(await members(login), 200);
    assert.equal((await node.call('GET /users/current', undefined, login)).status, 412);
    const { secret } = z
      .object({ secret: z.string() })
      .parse((await node.call(`PATCH ${path}`, {})).json());
    assert.equal(await members(login), 401);
    assert.equal(await members(`${name}:${secret}`), 200);
    const own = await node.call(`PATCH ${path}`, { secret: 'Own5ecret' });
    assert.deepEqual(own.json(), {});
    assert.equal(await members(`${name}:Own5ecret`), 200);
  });

  it('makes others that may no more than itself', async () => {
    await using node = await startApiNode();
    const system = { kind: 'system', namespace: '/', access: access('robot:create', 'user:list') };
    const { login } = await create(node, { ...CI, level: 'system', permissions: [system] });
    const make = async (permission: string) => {
      const permissions = [{ ...system, access: access(permission) }];
      const body = { ...CI, name: 'child', level: 'system', permissions };
      return (await node.call('POST /robots', body, login)).status;
    };

    assert.equal(await make('user:create'), 403);
    assert.equal(await make('user:list'), 201);
  });

  it('that manages users makes no admins, and does not become one', async () => {
    await using node = await startApiNode();
    const system = {
      kind: 'system',
      namespace: '/',
      access: access('user:update', 'user:read', 'user:delete'),
    };
    const { login } = await create(node, { ...CI, level: 'system', permissions: [system] });
    const put = async (path: string, body: object) =>
      (await node.call(`PUT /users/${path}`, body, login)).status;

    assert.equal(await put('2/sysadmin', { sysadmin_flag: true }), 403);
    assert.equal(await put('1/password', { new_password: 'Passw0rd' }), 403);
    assert.equal((await node.call('DELETE /users/1', undefined, login)).status, 403);
    assert.equal(await put('2/password', { new_password: 'Passw0rd' }), 200);
  });

  it('gets no refresh token, and its tokens end with it or while it is disabled', async () => {
    await using node = await startApiNode();
    const { path, login } = await create(node);
    const asked = { path: '/service/token?offline_token=true', as: login };
    const Given = z.object({ token: z.string(), refresh_token: z.undefined().optional() });
    const { token } = Given.parse((await node.send(asked)).json());
    const status = async (bearer: string) => {
      const headers = { Authorization: `Bearer ${bearer}` };
      return (await node.send({ path: '/v2/', headers })).status;
    };
    const disable = (isDisabled: boolean) =>
      node.call(`PUT ${path}`, { ...CI, name: 'robot$secret+ci', disable: isDisabled });

    assert.equal(await status(token), 200);
    assert.equal((await disable(true)).status, 200);
    assert.equal(await status(token), 401);
    assert.equal((await disable(false)).status, 200);
    assert.equal(await status(token), 401);
    const { token: next } = Given.parse((await node.send(asked)).json());
    assert.equal(await status(next), 200);
    assert.equal((await node.call(`DELETE ${path}`)).status, 200);
    assert.equal(await status(next), 401);
  });

  it('is for those who run its project, and unseen by others', async () => {
    await using node = await startApiNode();
    const { path } = await create(node);
    const guest = 'guest:pw';

    assert.equal((await node.call(`GET ${path}`, undefined, guest)).status, 404);
    assert.equal((await node.call('POST /robots', CI, guest)).status, 404);
    const member = { role_id: 3, member_user: { username: 'guest' } };
    await node.create('/projects/secret/members', member);
    assert.equal((await node.call(`GET ${path}`, undefined, guest)).status, 200);
    assert.equal((await node.call('POST /robots', { ...CI, name: 'x' }, guest)).status, 403);
    assert.equal((await node.call(`DELETE ${path}`, undefined, guest)).status, 403);
  });

  it('is refused where it could do nothing, or something that there is not', async () => {
    await using node = await startApiNode();
    await create(node);
    const make = async (more: object) =>
      (await node.call('POST /robots', { ...CI, ...more })).status;

    assert.equal(await make({}), 400, 'there is one of the name');
    assert.equal(await make({ name: 'UPPER' }), 400);
    assert.equal(await make({ name: 'a', permissions: [] }), 404);
    assert.equal(await make({ name: 'a', duration: 0 }), 400);
    assert.equal(await make({ name: 'a', permissions: [ofProject('secret', 'moon:read')] }), 400);
    assert.equal(await make({ name: 'a', permissions: [ofProject('absent', 'tag:list')] }), 404);
    assert.equal((await node.call('GET /robots?q=Level=project')).status, 400);
  });
});

describe('a robot does not become more than it is', () => {
  const PEOPLE = {
    kind: 'system',
    namespace: '/',
    access: access('user:create', 'user:update', 'robot:create'),
  };

  it('by a member: it gives only roles that may no more than itself', async () => {
    await using node = await startApiNode();
    const guest = ofProject('secret', 'member:create', 'member:update', ...permissionsOf('guest'));
    const robot = await systemRobot(node, PEOPLE, guest);
    const users = await node.call('POST /users', { username: 'bob', ...BOB }, robot);
    assert.equal(users.status, 201);
    const path = '/projects/secret/members';
    const add = async (role_id: number, as?: string) =>
      node.call(`POST ${path}`, { role_id, member_user: { username: 'bob' } }, as);

    assert.equal((await add(1, robot)).status, 403);
    assert.equal((await add(2, robot)).status, 403);
    const added = await add(3, robot);
    assert.equal(added.status, 201);
    const change = async (role_id: number, as?: string) =>
      (await node.call(`PUT ${added.headers.location}`, { role_id }, as)).status;
    assert.equal(await change(4, robot), 403);
    assert.equal(await change(5, robot), 200);
    assert.equal(await change(1), 200);
  });

  it('by a password of somebody who may more', async () => {
    await using node = await startApiNode();
    const robot = await systemRobot(node, PEOPLE, ofProject('secret', 'repository:pull'));
    const change = async (new_password: string) =>
      (await node.call('PUT /users/2/password', { new_password }, robot)).status;
    assert.equal(await change('Passw0rd1'), 200);

    await node.create('/projects/secret/members', {
      role_id: 5,
      member_user: { username: 'guest' },
    });

    assert.equal(await change('Passw0rd2'), 403);
  });

  it('by another that lasts longer', async () => {
    await using node = await startApiNode();
    const short = { ...CI, level: 'system', permissions: [PEOPLE], duration: 1 };
    const { login, path } = await create(node, { ...short, name: 'short' });
    const { expires_at } = Robot.parse((await node.call(`GET ${path}`)).json());

    for (const duration of [-1, 1, 400]) {
      const permissions = [{ ...PEOPLE, access: access('user:update') }];
      const name = `child${duration + 1}`;
      const child = await create(node, { ...short, name, permissions, duration }, login);
      const robot = Robot.parse((await node.call(`GET ${child.path}`)).json());
      assert.deepEqual([robot.duration, robot.expires_at], [1, expires_at]);
    }
  });
});

describe('of private projects, a robot', () => {
  it('lists none that it may only write to', async () => {
    await using node = await startApiNode();
    const robot = await systemRobot(node, ofProject('secret', 'repository:push'));

    assert.deepEqual(await seenBy(node, robot), { projects: 0, repositories: 0, found: [0, 0] });
  });

  it('lists those that it may read, and repositories where it may list them', async () => {
    await using node = await startApiNode();
    const reader = await systemRobot(node, ofProject('secret', 'project:read'));
    const { login: lister } = await create(node, {
      ...CI,
      name: 'lister',
      level: 'system',
      permissions: [ofProject('*', 'repository:list')],
    });

    assert.deepEqual(await seenBy(node, reader), { projects: 1, repositories: 0, found: [1, 0] });
    assert.deepEqual(await seenBy(node, lister), { projects: 0, repositories: 1, found: [0, 1] });
  });

  it('that lists projects of the system finds nothing else of them', async () => {
    await using node = await startApiNode();
    const system = { kind: 'system', namespace: '/', access: access('project:list') };
    const robot = await systemRobot(node, system);

    assert.deepEqual(await seenBy(node, robot), { projects: 1, repositories: 0, found: [0, 0] });
  });
});

/** All that a robot can be given of what the role may. */
function permissionsOf(role: Role): readonly string[] {
  const member = { isAdmin: false, roles: new Map([[1, [role]]]) };
  return [...ROBOT_PROJECT_PERMISSIONS]
    .filter(isProjectPermission)
    .filter((permission) => may(member, permission, { id: 1, isPublic: false }));
}

/** Of a node that has something to list; what it signs in with. */
async function systemRobot(node: ApiNode, ...permissions: readonly object[]): Promise<string> {
  await pushImage(node, 'secret/app', ['v1']);
  return (await create(node, { ...CI, level: 'system', permissions })).login;
}

/** How much of what is called `secret` the lists show, and what they say that they count. */
async function seenBy(node: ApiNode, as: string) {
  const read = async (path: string) => (await node.call(`GET ${path}`, undefined, as)).json();
  const named = z
    .array(z.object({ name: z.string() }))
    .transform((items) => items.filter(({ name }) => name.startsWith('secret')).length);
  const Found = z.object({ project: z.array(z.unknown()), repository: z.array(z.unknown()) });
  const { project, repository } = Found.parse(await read('/search?q=secret'));
  const Counts = z.object({ private_project_count: z.number(), private_repo_count: z.number() });
  const counts = Counts.parse(await read('/statistics'));
  assert.deepEqual(
    [counts.private_project_count, counts.private_repo_count],
    [project.length, repository.length],
  );
  return {
    projects: named.parse(await read('/projects')),
    repositories: named.parse(await read('/repositories')),
    found: [project.length, repository.length],
  };
}
