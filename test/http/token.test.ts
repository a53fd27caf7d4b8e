import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ADMIN, startNode } from './support/node.ts';
import { pushImage } from './support/push.ts';
import { bearer, claimsOf, tokenFor, tokenIn } from './support/token-client.ts';

describe('GET /service/token', () => {
  it('gives nobody a token for what is public, and only to pull', async () => {
    await using node = await startNode();

    const token = await tokenFor(node, [
      'repository:local/app:pull,push',
      'repository:secret/app:pull',
    ]);

    const { sub, access } = claimsOf(token);
    assert.equal(sub, '');
    assert.deepEqual(access, [{ name: 'local/app', actions: ['pull'] }]);
  });

  it('gives the admin what was asked, repeated or joined by spaces, by canonical names', async () => {
    await using node = await startNode();
    const scopes = [
      'repository:local/a:pull,push repository:secret/b:delete',
      'repository:alpine:pull',
    ];

    const { sub, access } = claimsOf(await tokenFor(node, scopes, ADMIN));

    assert.equal(sub, 'admin');
    assert.deepEqual(access, [
      { name: 'local/a', actions: ['pull', 'push'] },
      { name: 'secret/b', actions: ['delete'] },
      { name: 'docker.io/library/alpine', actions: ['pull'] },
    ]);
  });

  it('gives what was asked on a node that has names of its own', async () => {
    await using node = await startNode({ app: { names: ['registry.internal:5000'] } });

    const token = await tokenFor(node, ['repository:local/a:pull'], ADMIN);

    assert.deepEqual(claimsOf(token).access, [{ name: 'local/a', actions: ['pull'] }]);
  });

  it('refuses a wrong password', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/service/token', as: 'admin:wrong' });

    assert.equal(answer.status, 401);
    assert.equal(answer.code, 'UNAUTHORIZED');
    assert.equal(answer.headers['www-authenticate'], `Basic realm="127.0.0.1:${node.port}"`);
  });

  it('gives no token for a token, which could widen and renew itself', async () => {
    await using node = await startNode();
    const narrow = await tokenFor(node, ['repository:secret/app:pull'], ADMIN);

    const answer = await node.send({
      path: '/service/token?scope=repository:secret/other:push',
      headers: bearer(narrow),
    });

    assert.equal(answer.status, 401);
    assert.match(String(answer.headers['www-authenticate']), /^Basic /);
  });

  it('leaves out scopes that make no sense, and refuses more than anybody needs', async () => {
    await using node = await startNode();
    const odd = ['', 'repository', 'repository:UPPER:pull', 'plugin:a:pull', 'registry:catalog:*'];

    assert.deepEqual(claimsOf(await tokenFor(node, odd)).access, []);
    const many = Array.from({ length: 101 }, () => 'scope=repository:local/a:pull').join('&');
    assert.equal((await node.send({ path: `/service/token?${many}` })).status, 400);
  });

  it('gives tokens for the services that trust it, by the names that those know', async () => {
    await using node = await startNode({ app: { services: ['other.example'] } });
    const scope = 'scope=repository:secret/a:pull&scope=repository:alpine:pull';

    const answer = await node.send({
      path: `/service/token?service=other.example&${scope}`,
      as: ADMIN,
    });
    const unknown = await node.send({ path: '/service/token?service=evil.example', as: ADMIN });

    const { token } = tokenIn(answer);
    assert.equal(claimsOf(token).aud, 'other.example');
    assert.deepEqual(claimsOf(token).access, [{ name: 'secret/a', actions: ['pull'] }]);
    assert.equal(unknown.status, 400);
  });

  it('takes what a client says of its account for no more than talk', async () => {
    await using node = await startNode();

    const answer = await node.send({
      path: '/service/token?account=admin&scope=repository:secret/app:push',
      as: 'guest:pw',
    });

    const { sub, access } = claimsOf(tokenIn(answer).token);
    assert.equal(sub, 'guest');
    assert.deepEqual(access, []);
  });

  it('gives no token that is too large for the header of a request', async () => {
    await using node = await startNode();
    const long = Array.from({ length: 40 }, (_, n) => `repository:a${n}/${'b'.repeat(200)}:pull`);

    const answer = await node.send({ path: `/service/token?scope=${long.join('+')}` });

    assert.equal(answer.status, 414);
  });
});

describe('a token', () => {
  it('is good for its scope and for nothing else', async () => {
    await using node = await startNode();
    await pushImage(node, 'secret/app', ['v1']);
    await pushImage(node, 'secret/other', ['v1']);
    const token = await tokenFor(node, ['repository:secret/app:pull'], ADMIN);
    const headers = bearer(token);

    const pull = await node.send({ path: '/v2/secret/app/manifests/v1', headers });
    const other = await node.send({ path: '/v2/secret/other/manifests/v1', headers });
    const push = await node.send({
      method: 'POST',
      path: '/v2/secret/app/blobs/uploads/',
      headers,
    });

    assert.equal(pull.status, 200);
    assert.equal(other.status, 401);
    assert.equal(push.status, 401);
    assert.match(
      String(push.headers['www-authenticate']),
      /scope="repository:secret\/app:pull,push",error="insufficient_scope"$/,
    );
  });

  it('of a user who may not is refused for good, since another token would not help', async () => {
    await using node = await startNode();
    const scope = 'repository:secret/app:pull,push';
    const token = await tokenFor(node, [scope], 'guest:pw');

    const answer = await node.send({
      path: '/v2/secret/app/tags/list',
      headers: bearer(token),
    });

    assert.deepEqual(claimsOf(token).access, []);
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['www-authenticate'], undefined);
  });

  it('lists everything that its user may see if that is its scope, and asks for that scope if not', async () => {
    await using node = await startNode();
    await pushImage(node, 'secret/app', ['v1']);
    const list = async (scope: string, as?: string) => {
      const headers = bearer(await tokenFor(node, [scope], as));
      return node.send({ path: '/v2/_catalog', headers });
    };

    const admin = await list('registry:catalog:*', ADMIN);
    const narrow = await list('repository:secret/app:pull', ADMIN);
    const nobody = await list('registry:catalog:*');

    assert.deepEqual(admin.json(), { repositories: ['secret/app'] });
    assert.match(
      String(narrow.headers['www-authenticate']),
      /,scope="registry:catalog:\*",error="insufficient_scope"$/,
    );
    assert.deepEqual(nobody.json(), { repositories: [] });
  });

  it('of nobody still pulls what is public, whatever it was asked for', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['v1']);
    const headers = bearer(await tokenFor(node, []));

    assert.equal((await node.send({ path: '/v2/local/app/manifests/v1', headers })).status, 200);
    assert.equal((await node.send({ path: '/v2/', headers })).status, 200);
  });
});
