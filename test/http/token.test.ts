import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { pushImage } from './support/push.ts';

const Answer = z.object({ token: z.string(), access_token: z.string(), expires_in: z.number() });
const Claims = z.object({
  sub: z.string(),
  access: z.array(z.object({ name: z.string(), actions: z.array(z.string()) })),
});

async function tokenFor(node: TestNode, scopes: readonly string[], as?: string): Promise<string> {
  const query = new URLSearchParams(scopes.map((scope) => ['scope', scope]));
  const sent = { path: `/service/token?service=portolan&${query.toString()}` };
  const answer = await node.send(as === undefined ? sent : { ...sent, as });
  assert.equal(answer.status, 200);
  const { token, access_token: same } = Answer.parse(answer.json());
  assert.equal(same, token);
  return token;
}

function claimsOf(token: string): z.infer<typeof Claims> {
  const [, payload = ''] = token.split('.');
  return Claims.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
}

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
      headers: { Authorization: `Bearer ${narrow}` },
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

  it('gives no token that is too large for the header of a request', async () => {
    await using node = await startNode();
    const long = Array.from({ length: 40 }, (_, n) => `repository:a${n}/${'b'.repeat(200)}:pull`);

    const answer = await node.send({ path: `/service/token?scope=${long.join('+')}` });

    assert.equal(answer.status, 414);
  });

  it('does not take the OAuth2 form, and says so with the 404 that its clients go on to GET from', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'POST',
      path: '/service/token',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: Buffer.from('grant_type=refresh_token&service=portolan&refresh_token=x'),
    });

    assert.equal(answer.status, 404);
    assert.equal(answer.code, 'UNSUPPORTED');
  });
});

describe('a token', () => {
  it('is good for its scope and for nothing else', async () => {
    await using node = await startNode();
    await pushImage(node, 'secret/app', ['v1']);
    await pushImage(node, 'secret/other', ['v1']);
    const token = await tokenFor(node, ['repository:secret/app:pull'], ADMIN);
    const headers = { Authorization: `Bearer ${token}` };

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
      headers: { Authorization: `Bearer ${token}` },
    });

    assert.deepEqual(claimsOf(token).access, []);
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['www-authenticate'], undefined);
  });

  it('lists everything that its user may see if that is its scope, and asks for that scope if not', async () => {
    await using node = await startNode();
    await pushImage(node, 'secret/app', ['v1']);
    const list = async (scope: string, as?: string) => {
      const headers = { Authorization: `Bearer ${await tokenFor(node, [scope], as)}` };
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
    const headers = { Authorization: `Bearer ${await tokenFor(node, [])}` };

    assert.equal((await node.send({ path: '/v2/local/app/manifests/v1', headers })).status, 200);
    assert.equal((await node.send({ path: '/v2/', headers })).status, 200);
  });

  it('that was tampered with is refused', async () => {
    await using node = await startNode();
    const [head = '', , signature = ''] = (await tokenFor(node, [], ADMIN)).split('.');
    const forged = Buffer.from(JSON.stringify({ sub: 'admin', access: [], exp: 9e9 }));

    for (const token of [
      `${head}.${forged.toString('base64url')}.${signature}`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${forged.toString('base64url')}.`,
      'nonsense',
    ]) {
      const answer = await node.send({
        path: '/v2/',
        headers: { Authorization: `Bearer ${token}` },
      });
      assert.equal(answer.status, 401);
    }
  });
});
