import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { portolan } from '../support/portolan.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Answer, AUTHORIZATION, ask, type ServingNode, serve } from './support.ts';

const ALICE = `Basic ${btoa('alice:Right4Alice')}`;
const TOKEN_PATH = '/service/token?service=portolan&scope=repository:team/app:pull,push';
const TAGS_PATH = '/v2/team/app/tags/list';

describe('portolan groups', { timeout: 600_000 }, () => {
  it('gives people the roles of their groups on a running node, and takes them', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using node = await serve(folder);
    await addAlice(node);
    await call(node, 'POST', '/projects', { project_name: 'team', metadata: { public: 'false' } });
    await call(node, 'POST', '/usergroups', { group_name: 'staff', group_type: 3 });
    const group = { group_name: 'staff', group_type: 3 };
    await call(node, 'POST', '/projects/team/members', { role_id: 2, member_group: group });
    assert.equal((await as(node, ALICE, TAGS_PATH)).status, 403);
    assert.equal(await scopeOf(node), '');

    const added = await portolan(['groups', 'add', 'staff', 'alice', '--data', folder]);

    assert.deepEqual(added, { code: 0, stdout: 'alice is in staff.\n', stderr: '' });
    assert.equal((await as(node, ALICE, TAGS_PATH)).status, 404, 'there is no such repository');
    assert.equal(await scopeOf(node), 'repository:team/app:pull,push');
    assert.equal((await as(node, ALICE, '/api/v2.0/projects/team')).status, 200);

    const removed = await portolan(['groups', 'remove', 'staff', 'alice', '--data', folder]);

    assert.deepEqual(removed, { code: 0, stdout: 'alice is not in staff.\n', stderr: '' });
    assert.equal((await as(node, ALICE, TAGS_PATH)).status, 403);
    assert.equal(await scopeOf(node), '');
  });

  it('says whom or what it does not know', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using node = await serve(folder);
    for (const group_type of [2, 3]) {
      await call(node, 'POST', '/usergroups', { group_name: 'twice', group_type });
    }
    await call(node, 'POST', '/usergroups', { group_name: 'staff', group_type: 3 });

    for (const [group, user, problem] of [
      ['nobodys', 'admin', 'there is no user group nobodys'],
      ['twice', 'admin', 'there are several groups twice: http, oidc'],
      ['staff', 'bob', 'there is no user bob'],
    ] as const) {
      const { code, stderr } = await portolan(['groups', 'add', group, user, '--data', folder]);
      assert.deepEqual({ code, stderr }, { code: 1, stderr: `portolan: ${problem}\n` });
    }
  });
});

describe('portolan users', { timeout: 600_000 }, () => {
  it('disables somebody on a running node, and what that one had stays void', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using node = await serve(folder);
    await addAlice(node);
    const { token, refreshToken } = await signIn(node);
    assert.equal((await as(node, `Bearer ${token}`, '/v2/')).status, 200);

    const disabled = await portolan(['users', 'disable', 'alice', '--data', folder]);

    assert.deepEqual(disabled, { code: 0, stdout: 'alice is disabled.\n', stderr: '' });
    assert.equal((await as(node, ALICE, '/v2/')).status, 401);
    assert.equal((await as(node, `Bearer ${token}`, '/v2/')).status, 401);
    assert.equal((await refresh(node, refreshToken)).status, 401);

    const enabled = await portolan(['users', 'enable', 'alice', '--data', folder]);

    assert.deepEqual(enabled, { code: 0, stdout: 'alice is enabled.\n', stderr: '' });
    assert.equal((await as(node, ALICE, '/v2/')).status, 200);
    assert.equal((await as(node, `Bearer ${token}`, '/v2/')).status, 401);
    assert.equal((await refresh(node, refreshToken)).status, 401);
  });

  it('signs somebody out everywhere, who may come back with the password', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using node = await serve(folder);
    await addAlice(node);
    const { token, refreshToken } = await signIn(node);

    const { code, stdout } = await portolan(['users', 'sign-out', 'alice', '--data', folder]);

    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'alice is signed out.\n' });
    assert.equal((await as(node, `Bearer ${token}`, '/v2/')).status, 401);
    assert.equal((await refresh(node, refreshToken)).status, 401);
    assert.equal((await as(node, ALICE, '/v2/')).status, 200);
    const log = await as(node, AUTHORIZATION, '/api/v2.0/audit-logs?q=resource_type=user');
    assert.match(log.body, /"username":"portolan\$cli","resource":"alice"/);
  });

  it('refuses to disable the admin, and nobody', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    await using _ = await serve(folder);

    for (const [name, problem] of [
      ['admin', 'the built-in admin cannot be disabled'],
      ['alice', 'there is no user alice'],
    ] as const) {
      const { code, stderr } = await portolan(['users', 'disable', name, '--data', folder]);
      assert.deepEqual({ code, stderr }, { code: 1, stderr: `portolan: ${problem}\n` });
    }
  });
});

async function call(node: ServingNode, method: string, path: string, body: object): Promise<void> {
  const headers = { authorization: AUTHORIZATION, 'content-type': 'application/json' };
  const sent = { method, headers, body: JSON.stringify(body) };
  const answer = await ask(node, `/api/v2.0${path}`, sent);
  assert.equal(answer.status, 201, answer.body);
}

function addAlice(node: ServingNode): Promise<void> {
  const profile = { email: 'alice@corp.example', realname: 'Alice' };
  return call(node, 'POST', '/users', { username: 'alice', password: 'Right4Alice', ...profile });
}

function as(node: ServingNode, authorization: string, path: string): Promise<Answer> {
  return ask(node, path, { headers: { authorization } });
}

/** What alice's next token is good for. */
async function scopeOf(node: ServingNode): Promise<string> {
  const { status, body } = await as(node, ALICE, TOKEN_PATH);
  assert.equal(status, 200, body);
  return JSON.parse(body).scope;
}

async function signIn(node: ServingNode): Promise<{ token: string; refreshToken: string }> {
  const { status, body } = await as(node, ALICE, `${TOKEN_PATH}&offline_token=true`);
  assert.equal(status, 200, body);
  const { token, refresh_token: refreshToken } = JSON.parse(body);
  return { token, refreshToken };
}

function refresh(node: ServingNode, refreshToken: string): Promise<Answer> {
  const form = { grant_type: 'refresh_token', service: 'portolan', refresh_token: refreshToken };
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const body = new URLSearchParams(form).toString();
  return ask(node, '/service/token', { method: 'POST', headers, body });
}
