import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { pushImage } from '../support/push.ts';
import { startApiNode } from './support/node.ts';

const TAG = '/api/portolan/v1/projects/secret/repositories/team%252Fapp/tags/latest';
const Moves = z.array(z.object({ digest: z.string().optional(), actor: z.string() }));

describe('a tag, by the node’s own API', () => {
  it('tells what it pointed to, and is rolled back by those who may tag', async () => {
    await using node = await startApiNode();
    const push = (text: string) =>
      pushImage(node, 'secret/team/app', ['latest'], { annotations: { text } });
    const { digest: one } = await push('one');
    const { digest: two } = await push('two');

    const answer = await node.call(`POST ${TAG}/rollback`, {});

    assert.equal(answer.status, 200, answer.body.toString());
    assert.deepEqual(answer.json(), { digest: one, previous: two });
    const moves = Moves.parse((await node.call(`GET ${TAG}/history`)).json());
    assert.deepEqual(
      moves.map(({ digest, actor }) => [digest, actor]),
      [one, two, one].map((digest) => [digest, 'admin']),
    );
    assert.equal((await node.call(`POST ${TAG}/rollback`, { to: 'abc' })).status, 400);
    const never = { to: `sha256:${'0'.repeat(64)}` };
    assert.equal((await node.call(`POST ${TAG}/rollback`, never)).status, 412);
    const other = TAG.replace('latest', 'other');
    assert.equal((await node.call(`POST ${other}/rollback`, {})).status, 404);
    assert.equal((await node.call(`POST ${TAG}/rollback`, {}, 'guest:pw')).status, 403);
  });

  it('tells who moved it to those alone who may read the project’s log', async () => {
    await using node = await startApiNode();
    const { digest } = await pushImage(node, 'local/app', ['latest']);
    const path = TAG.replace('secret', 'local').replace('team%252F', '');
    const told = async (as?: string) => {
      const answer = await node.send({ path: `${path}/history`, ...(as && { as }) });
      assert.equal(answer.status, 200, answer.body.toString());
      return z.array(z.looseObject({ digest: z.string() })).parse(answer.json());
    };

    const [byAdmin] = await told('admin:pw');
    assert.ok(byAdmin);
    const { actor, cause, ...rest } = byAdmin;

    assert.deepEqual([actor, cause, rest.digest], ['admin', 'push', digest]);
    // What is public is read without a name, and without the names of others.
    assert.deepEqual(await told(), [rest]);
    assert.deepEqual(await told('guest:pw'), [rest]);
  });
});
