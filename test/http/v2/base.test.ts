import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { type Answer, basic } from '../support/client.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { pushImage } from '../support/push.ts';

describe('GET /v2/ (end-1)', () => {
  it('is 401 with one Bearer challenge although anonymous pulls are allowed', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', headers: { Host: 'registry.example:5000' } });

    assert.equal(answer.status, 401);
    assert.equal(
      answer.headers['www-authenticate'],
      'Bearer realm="http://registry.example:5000/service/token",service="portolan"',
    );
    assert.equal(answer.code, 'UNAUTHORIZED');
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  });

  it('is 200 with credentials', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', as: ADMIN });

    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json(), {});
    assert.equal(answer.headers['content-type'], 'application/json');
  });

  it('is 401 with a wrong password', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', as: 'admin:wrong' });

    assert.equal(answer.status, 401);
    assert.equal(answer.code, 'UNAUTHORIZED');
  });

  it('takes empty credentials for an anonymous caller', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', as: ':' });

    assert.equal(answer.status, 200);
  });

  it('answers without the trailing slash and to HEAD as well', async () => {
    await using node = await startNode();

    const bare = await node.send({ path: '/v2', as: ADMIN });
    const head = await node.send({ method: 'HEAD', path: '/v2/', as: ADMIN });
    const refused = await node.send({ method: 'HEAD', path: '/v2/' });

    assert.equal(bare.status, 200);
    assert.equal(head.status, 200);
    assert.equal(refused.status, 401);
    assert.equal(refused.body.length, 0);
  });

  it('repeats no host in the challenge that is not one', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', headers: { Host: 'a"b, Bearer realm="x' } });

    assert.equal(
      answer.headers['www-authenticate'],
      'Bearer realm="/service/token",service="portolan"',
    );
  });

  it('says that there are no extensions', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/_oci/ext/discover', as: ADMIN });

    assert.deepEqual(answer.json(), { extensions: [] });
  });
});

describe('a mirror of one upstream', () => {
  it('answers the ping with 200 and no challenge on its listener and by its host', async () => {
    await using listener = await startNode({ app: { mirror: 'docker.io' } });
    await using host = await startNode({ app: { mirrorHosts: { 'Hub.example': 'docker.io' } } });

    const byListener = await listener.send({ path: '/v2/' });
    const byHost = await host.send({ path: '/v2/', headers: { Host: 'HUB.example:5000' } });
    const other = await host.send({ path: '/v2/' });

    for (const answer of [byListener, byHost]) {
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['www-authenticate'], undefined);
    }
    assert.equal(other.status, 401);
  });

  it('never looks at the credentials that a dockerd keeps for Docker Hub', async () => {
    let asked = 0;
    await using node = await startNode({
      app: { mirror: 'docker.io' },
      ports: ({ access }) => ({
        access: {
          ...access,
          authenticate(authorization, address) {
            asked++;
            return access.authenticate(authorization, address);
          },
        },
      }),
    });

    const answer = await node.send({
      path: '/v2/',
      headers: { Authorization: basic('hub-user:hub-secret') },
    });

    assert.equal(answer.status, 200);
    assert.equal(asked, 0);
  });

  it('takes no writes and has no catalog', async () => {
    await using node = await startNode({ app: { mirror: 'docker.io' } });

    const push = await node.send({ method: 'POST', path: '/v2/x/blobs/uploads/', as: ADMIN });
    const catalog = await node.send({ path: '/v2/_catalog' });

    assert.equal(push.status, 405);
    assert.equal(push.code, 'UNSUPPORTED');
    assert.equal(catalog.status, 405);
  });
});

describe('access for now', () => {
  it('lets anybody pull from a public project and nobody else push or delete', async () => {
    await using node = await startNode();
    const { digest } = await pushImage(node, 'local/app', ['v1']);

    const pull = await node.send({ path: '/v2/local/app/manifests/v1' });
    const push = await node.send({ method: 'POST', path: '/v2/local/app/blobs/uploads/' });
    const remove = await node.send({
      method: 'DELETE',
      path: `/v2/local/app/manifests/${digest}`,
    });

    assert.equal(pull.status, 200);
    for (const answer of [push, remove]) {
      assert.equal(answer.status, 401);
    }
    assert.match(
      String(push.headers['www-authenticate']),
      /,scope="repository:local\/app:pull,push"$/,
    );
    assert.match(
      String(remove.headers['www-authenticate']),
      /,scope="repository:local\/app:delete"$/,
    );
  });

  it('asks an anonymous caller of a private project to sign in, to HEAD without a body', async () => {
    await using node = await startNode();
    await pushImage(node, 'secret/app', ['v1']);

    const get = await node.send({ path: '/v2/secret/app/manifests/v1' });
    const head = await node.send({ method: 'HEAD', path: '/v2/secret/app/manifests/v1' });
    const signedIn = await node.send({ path: '/v2/secret/app/manifests/v1', as: ADMIN });

    assert.equal(get.status, 401);
    assert.equal(get.code, 'UNAUTHORIZED');
    assert.equal(head.status, 401);
    assert.equal(head.body.length, 0);
    assert.ok(head.headers['www-authenticate']);
    assert.equal(signedIn.status, 200);
  });

  it('refuses who is signed in and may not, without asking for other credentials', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/secret/app/tags/list', as: 'guest:pw' });

    assert.equal(answer.status, 403);
    assert.equal(answer.code, 'DENIED');
    assert.equal(answer.headers['www-authenticate'], undefined);
  });

  it('says what was missing, without which docker takes a refusal for a failure and tries on', async () => {
    await using node = await startNode();

    const app = { Type: 'repository', Name: 'secret/app' };

    const pull = await node.send({ path: '/v2/secret/app/tags/list', as: 'guest:pw' });
    const push = await node.send({ method: 'POST', path: '/v2/secret/app/blobs/uploads/' });

    assert.deepEqual(detailOf(pull), [{ ...app, Action: 'pull' }]);
    assert.deepEqual(detailOf(push), [
      { ...app, Action: 'pull' },
      { ...app, Action: 'push' },
    ]);
  });

  it('authorises before it reads a body that the client holds back', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'PUT',
      path: '/v2/local/app/manifests/v1',
      headers: { Expect: '100-continue', 'Content-Length': '1000000' },
    });

    assert.equal(answer.status, 401);
    assert.equal(answer.headers.connection, 'close');
  });
});

function detailOf(answer: Answer): unknown {
  const { errors } = z
    .object({ errors: z.array(z.object({ detail: z.unknown() })) })
    .parse(answer.json());
  return errors[0]?.detail;
}
