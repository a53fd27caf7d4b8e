import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN } from '../support/node.ts';
import { type ApiNode, startApiNode } from './support/node.ts';

const USERS = '/api/v2.0/users';
const ANN = {
  username: 'ann',
  password: 'Passw0rd',
  email: 'ann@example.com',
  realname: 'Ann A',
  comment: 'first',
};
const User = z.object({
  user_id: z.number(),
  username: z.string(),
  email: z.string(),
  realname: z.string(),
  comment: z.string(),
  sysadmin_flag: z.boolean(),
});

/** Where it is. */
function createUser(node: ApiNode, more: object = {}): Promise<string> {
  return node.create(USERS, { ...ANN, ...more });
}

async function readUser(node: ApiNode, path: string, as = ADMIN): Promise<z.infer<typeof User>> {
  return User.parse((await node.send({ path, as })).json());
}

describe('a user', () => {
  it('is created, read, changed and deleted by an admin', async () => {
    await using node = await startApiNode();

    const path = await createUser(node);
    const created = await readUser(node, path);
    assert.match(path, /^\/api\/v2\.0\/users\/\d+$/);
    assert.deepEqual(created, {
      user_id: Number(path.split('/').at(-1)),
      username: 'ann',
      email: 'ann@example.com',
      realname: 'Ann A',
      comment: 'first',
      sysadmin_flag: false,
    });

    const profile = { email: 'ann@example.org', realname: 'Ann B', comment: '' };
    assert.equal((await node.call(`PUT ${path}`, profile)).status, 200);
    assert.deepEqual(await readUser(node, path), { ...created, ...profile });
    const admin = await node.call(`PUT ${path}/sysadmin`, { sysadmin_flag: true });
    assert.equal(admin.status, 200);
    assert.equal((await readUser(node, path)).sysadmin_flag, true);
    // The Go SDK leaves out what is false.
    assert.equal((await node.call(`PUT ${path}/sysadmin`, {})).status, 200);
    assert.equal((await readUser(node, path)).sysadmin_flag, false);

    assert.equal((await node.send({ method: 'DELETE', path, as: ADMIN })).status, 200);
    assert.equal((await node.send({ path, as: ADMIN })).status, 404);
  });

  it('keeps what a change of its profile leaves out', async () => {
    await using node = await startApiNode();
    const path = await createUser(node);

    assert.equal((await node.call(`PUT ${path}`, { realname: 'New' })).status, 200);

    const { email, realname, comment } = await readUser(node, path);
    assert.deepEqual([email, realname, comment], [ANN.email, 'New', ANN.comment]);
  });

  it('is not created twice, and not without what it needs', async () => {
    await using node = await startApiNode();
    await createUser(node);

    const twice = await node.call(`POST ${USERS}`, { ...ANN, email: 'other@example.com' });
    const weak = await node.call(`POST ${USERS}`, { ...ANN, username: 'bob', password: 'short' });
    const nameless = await node.call(`POST ${USERS}`, { password: 'Passw0rd' });

    assert.equal(twice.status, 409);
    assert.equal(twice.code, 'CONFLICT');
    assert.equal(weak.status, 400);
    assert.equal(nameless.status, 400);
    const list = await node.send({ path: `${USERS}?q=username=~bob`, as: ADMIN });
    assert.equal(list.headers['x-total-count'], '0');
  });

  it('sees and changes itself, and nobody else', async () => {
    await using node = await startApiNode();
    const own = await createUser(node);
    const other = await createUser(node, { username: 'bob', email: 'bob@example.com' });
    const as = 'ann:Passw0rd';

    assert.equal((await readUser(node, own, as)).username, 'ann');
    assert.equal((await node.call(`PUT ${own}`, { realname: 'Me' }, as)).status, 200);
    const { realname } = await readUser(node, `${USERS}/current`, as);
    assert.equal(realname, 'Me');
    assert.equal((await node.send({ path: other, as })).status, 403);
    assert.equal((await node.call(`PUT ${other}`, { realname: 'No' }, as)).status, 403);
    assert.equal((await node.send({ path: USERS, as })).status, 403);
    assert.equal((await node.send({ method: 'DELETE', path: own, as })).status, 403);
    const admin = await node.call(`PUT ${own}/sysadmin`, { sysadmin_flag: true }, as);
    assert.equal(admin.status, 403);
  });

  it('changes its password by knowing the one there is; an admin need not', async () => {
    await using node = await startApiNode();
    const path = `${await createUser(node)}/password`;
    const current = `${USERS}/current`;
    const change = (body: object, as: string) => node.call(`PUT ${path}`, body, as);

    const blind = await change({ new_password: 'Passw0rd2' }, 'ann:Passw0rd');
    const wrong = await change(
      { old_password: 'Nonsense1', new_password: 'Passw0rd2' },
      'ann:Passw0rd',
    );
    assert.equal(blind.status, 403);
    assert.equal(wrong.status, 403);
    const right = await change(
      { old_password: 'Passw0rd', new_password: 'Passw0rd2' },
      'ann:Passw0rd',
    );
    assert.equal(right.status, 200);
    assert.equal((await node.send({ path: current, as: 'ann:Passw0rd' })).status, 401);
    assert.equal((await change({ new_password: 'Passw0rd3' }, ADMIN)).status, 200);
    assert.equal((await node.send({ path: current, as: 'ann:Passw0rd3' })).status, 200);
  });

  it('changes its own by knowing it, who is an admin, too, and guesses wait', async () => {
    await using node = await startApiNode();
    const path = `${USERS}/1/password`;
    const change = (body: object) => node.call(`PUT ${path}`, body);

    assert.equal((await change({ new_password: 'Passw0rd2' })).status, 403);
    const statuses = new Set<number>();
    for (let guess = 0; guess < 30; guess++) {
      const answer = await change({ old_password: `Guess${guess}`, new_password: 'Passw0rd2' });
      statuses.add(answer.status);
      if (answer.status === 429) break;
    }

    assert.deepEqual([...statuses], [403, 429]);
  });

  it('has no secret for command lines: there is no OIDC provider', async () => {
    await using node = await startApiNode();

    const answer = await node.call(`PUT ${await createUser(node)}/cli_secret`, { secret: 'x' });

    assert.equal(answer.status, 412);
  });
});

describe('the list of users', () => {
  it('is filtered, sorted and cut into pages', async () => {
    await using node = await startApiNode();
    for (const name of ['carl', 'cleo', 'cody']) {
      await createUser(node, { username: name, email: `${name}@example.com` });
    }
    const names = async (query: string) => {
      const answer = await node.send({ path: `${USERS}?${query}`, as: ADMIN });
      return z
        .array(User)
        .parse(answer.json())
        .map(({ username }) => username);
    };

    assert.deepEqual(await names('q=username=~c&sort=-username'), ['cody', 'cleo', 'carl']);
    assert.deepEqual(await names('q=username=~c&page=2&page_size=2'), ['cody']);
    assert.deepEqual(await names('q=email=cleo@example.com'), ['cleo']);
  });

  it('shows names and ids to everybody who has to add a member', async () => {
    await using node = await startApiNode();
    await createUser(node);

    const answer = await node.send({ path: `${USERS}/search?username=an`, as: 'guest:pw' });

    const Found = z.array(z.strictObject({ user_id: z.number(), username: z.string() }));
    assert.deepEqual(
      Found.parse(answer.json()).map(({ username }) => username),
      ['ann'],
    );
    const nothing = await node.send({ path: `${USERS}/search?username=`, as: ADMIN });
    assert.deepEqual(nothing.json(), []);
  });
});

describe('permissions', () => {
  const Permissions = z.array(z.object({ resource: z.string(), action: z.string() }));

  it('that there are to give are listed for admins', async () => {
    await using node = await startApiNode();

    const all = await node.send({ path: '/api/v2.0/permissions', as: ADMIN });
    const none = await node.send({ path: '/api/v2.0/permissions', as: 'guest:pw' });

    const { system, project } = z
      .object({ system: Permissions, project: Permissions })
      .parse(all.json());
    assert.ok(system.some(({ resource, action }) => resource === 'user' && action === 'create'));
    assert.ok(project.some(({ resource, action }) => resource === 'tag' && action === 'delete'));
    assert.equal(none.status, 403);
  });

  it('of the caller are those of a project or of the node', async () => {
    await using node = await startApiNode();
    const ask = async (query: string, as: string) => {
      const path = `${USERS}/current/permissions${query}`;
      return Permissions.parse((await node.send({ path, as })).json()).map(
        ({ resource, action }) => `${resource} ${action}`,
      );
    };

    assert.ok((await ask('', ADMIN)).includes('/system/user create'));
    assert.deepEqual(await ask('', 'guest:pw'), []);
    const inPublic = await ask('?scope=/project/1&relative=true', 'guest:pw');
    assert.ok(inPublic.includes('repository pull'));
    assert.ok(!inPublic.includes('repository push'));
    assert.ok((await ask('?scope=/project/1', ADMIN)).includes('/project/1/repository push'));
    assert.ok((await ask('?scope=/project/1', ADMIN)).includes('/project/1 update'));
    assert.deepEqual(await ask('?scope=/project/2', 'guest:pw'), []);
    assert.deepEqual(await ask('?scope=/project/999', ADMIN), []);
  });
});
