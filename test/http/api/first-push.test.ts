import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type ApiNode, startApiNode } from './support/node.ts';

const ANN = { username: 'ann', password: 'Passw0rd', email: 'ann@example.com', realname: 'Ann' };
const LOGIN = 'ann:Passw0rd';
const UPLOADS = '/blobs/uploads/';

/** As docker does it: asks, is told where tokens are, gets one for what it was told to want, and asks again. */
async function startPush(node: ApiNode, repository: string, login: string): Promise<number> {
  const path = `/v2/${repository}${UPLOADS}`;
  const asked = await node.send({ method: 'POST', path });
  const challenge = String(asked.headers['www-authenticate']);
  const [, realm = ''] = /realm="([^"]+)"/.exec(challenge) ?? [];
  const [, scope = ''] = /scope="([^"]+)"/.exec(challenge) ?? [];
  assert.equal(scope, `repository:${repository}:pull,push`);
  const query = new URLSearchParams({ service: 'portolan', scope, account: 'ann' });
  const answer = await node.send({
    path: `${new URL(realm).pathname}?${query.toString()}`,
    as: login,
  });
  const { token } = z.object({ token: z.string() }).parse(answer.json());
  const headers = { Authorization: `Bearer ${token}` };
  return (await node.send({ method: 'POST', path, headers })).status;
}

describe('who was made a member through the API', () => {
  it('pushes where it is a developer and not where it is a guest', async () => {
    await using node = await startApiNode();
    await node.create('/users', ANN);
    for (const [project_name, role_id] of [
      ['works', 2],
      ['looks', 3],
    ] as const) {
      const project = await node.create('/projects', { project_name });
      await node.create(`${project}/members`, { role_id, member_user: { username: 'ann' } });
    }

    assert.equal(await startPush(node, 'works/app', LOGIN), 202);
    assert.equal(await startPush(node, 'looks/app', LOGIN), 403);
  });

  it('loses it with the membership, tokens from before included', async () => {
    await using node = await startApiNode();
    await node.create('/users', ANN);
    const project = await node.create('/projects', { project_name: 'works' });
    const member = await node.create(`${project}/members`, {
      role_id: 2,
      member_user: { username: 'ann' },
    });
    const query = 'service=portolan&scope=repository:works/app:pull,push';
    const answer = await node.send({ path: `/service/token?${query}`, as: LOGIN });
    const { token } = z.object({ token: z.string() }).parse(answer.json());
    const push = async () =>
      (
        await node.send({
          method: 'POST',
          path: `/v2/works/app${UPLOADS}`,
          headers: { Authorization: `Bearer ${token}` },
        })
      ).status;

    assert.equal(await push(), 202);
    await node.call(`DELETE ${member}`);
    assert.equal(await push(), 403);
  });
});

describe('a robot that was made through the API', () => {
  it('pushes to its project', async () => {
    await using node = await startApiNode();
    await node.create('/projects', { project_name: 'works' });
    const access = ['pull', 'push'].map((action) => ({ resource: 'repository', action }));
    const robot = await node.call('POST /robots', {
      name: 'ci',
      level: 'project',
      duration: 1,
      permissions: [{ kind: 'project', namespace: 'works', access }],
    });
    const { name, secret } = z.object({ name: z.string(), secret: z.string() }).parse(robot.json());

    assert.equal(await startPush(node, 'works/app', `${name}:${secret}`), 202);
    assert.equal(await startPush(node, 'secret/app', `${name}:${secret}`), 403);
  });
});
