/** What somebody might try who wants more than they were given. Each ends with an answer that gives them nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import { exchange } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { pushImage } from './support/push.ts';
import {
  bearer,
  postForm,
  refresh,
  refreshTokenOf,
  tokenFor,
  tokenIn,
} from './support/token-client.ts';

const SECRET = '/v2/secret/app/manifests/v1';
const SCOPE = 'repository:secret/app:pull';
const MINUTE_MS = 60_000;

describe('nobody gets in by a token', () => {
  it('that says it needs no signature', async () => {
    await using node = await nodeWithSecret();
    const [, payload] = (await tokenFor(node, [SCOPE], ADMIN)).split('.');

    for (const alg of ['none', 'None', 'NONE', '']) {
      const head = encoded({ alg, typ: 'JWT', kid: await kidOf(node) });
      await assertRefused(node, `${head}.${payload}.`);
    }
  });

  it('that is signed with our public key for a secret', async () => {
    await using node = await nodeWithSecret();
    const [jwk] = await node.keys.published();
    const { payload, kid } = await template(node);

    for (const secret of [JSON.stringify(jwk), JSON.stringify({ keys: [jwk] }), 'portolan']) {
      const forged = await new SignJWT(payload)
        .setProtectedHeader({ alg: 'HS256', kid })
        .sign(Buffer.from(secret));
      await assertRefused(node, forged);
    }
  });

  it('that is signed with a key of their own, whatever the header says of it', async () => {
    await using node = await nodeWithSecret();
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const { payload, kid } = await template(node);
    const jwk = await exportJWK(publicKey);
    const url = 'http://127.0.0.1:9/keys.json';

    const headers: readonly JWTHeaderParameters[] = [
      { alg: 'ES256' },
      { alg: 'ES256', kid },
      { alg: 'ES256', kid: 'foreign' },
      { alg: 'ES256', kid: '../../../dev/null' },
      { alg: 'ES256', jwk },
      { alg: 'ES256', kid, jwk, jku: url, x5u: url },
    ];
    for (const header of headers) {
      const forged = await new SignJWT(payload).setProtectedHeader(header).sign(privateKey);
      await assertRefused(node, forged);
    }
  });

  it('that has ended', async () => {
    const clock = { now: Date.now() };
    await using node = await nodeWithSecret({ now: () => clock.now });
    const token = await tokenFor(node, [SCOPE], ADMIN);
    assert.equal(await statusWith(node, token), 200);

    clock.now += 7 * MINUTE_MS;

    await assertRefused(node, token);
  });

  it('that was given for another registry', async () => {
    await using node = await nodeWithSecret({ app: { services: ['other.example'] } });
    const path = `/service/token?service=other.example&scope=${SCOPE}`;

    const { token } = tokenIn(await node.send({ path, as: ADMIN }));

    await assertRefused(node, token);
  });

  for (const { name, change } of [
    { name: 'another issuer', change: { iss: 'evil' } },
    { name: 'no issuer', change: { iss: undefined } },
    { name: 'no audience', change: { aud: undefined } },
    { name: 'no end', change: { exp: undefined } },
    { name: 'a beginning in an hour', change: { nbf: Date.now() / 1000 + 3600 } },
    { name: 'a user of another id', change: { uid: 999 } },
    { name: 'a user that nobody knows', change: { sub: 'nobody' } },
    { name: 'no scope at all', change: { access: undefined } },
    { name: 'a scope of another shape', change: { access: 'repository:secret/app:pull' } },
  ]) {
    it(`that is signed with our key, and has ${name}`, async () => {
      await using node = await nodeWithSecret();
      const { kid, privateKey } = await node.keys.signing();
      const { payload } = await template(node);

      const token = await new SignJWT({ ...payload, ...change })
        .setProtectedHeader({ alg: 'ES256', kid })
        .sign(privateKey);

      await assertRefused(node, token);
    });
  }

  it('whose scope they changed', async () => {
    await using node = await nodeWithSecret();
    const token = await tokenFor(node, ['repository:secret/other:pull'], ADMIN);
    const [head = '', payload = '', signature = ''] = token.split('.');
    const text = Buffer.from(payload, 'base64url').toString();

    const changed = Buffer.from(text.replace('secret/other', 'secret/app')).toString('base64url');

    assert.notEqual(changed, payload);
    await assertRefused(node, `${head}.${changed}.${signature}`);
  });

  it('whose scope is for another project', async () => {
    await using node = await nodeWithSecret();

    await assertRefused(node, await tokenFor(node, ['repository:local/app:pull,push'], ADMIN));
    await assertRefused(node, await tokenFor(node, ['registry:catalog:*'], ADMIN));
  });

  it('that is older than the project of that name', async () => {
    await using node = await nodeWithSecret();
    const token = await tokenFor(node, [SCOPE], ADMIN);
    assert.equal(await statusWith(node, token), 200);

    await node.database.write((transaction) =>
      transaction
        .updateTable('projects')
        .set({ created_at: Date.now() + MINUTE_MS })
        .where('name', '=', 'secret')
        .execute(),
    );

    await assertRefused(node, token);
  });

  it('that they traded for one which had ended with the password', async () => {
    await using node = await nodeWithSecret();
    const stolen = await refreshTokenOf(node, ADMIN);
    assert.equal((await refresh(node, stolen, SCOPE)).status, 200);

    await node.database.write((transaction) =>
      transaction
        .updateTable('users')
        .set({ valid_from: Date.now() + MINUTE_MS })
        .execute(),
    );

    for (const _ of [1, 2]) assert.equal((await refresh(node, stolen, SCOPE)).status, 401);
  });

  it('that is no token', async () => {
    await using node = await nodeWithSecret();
    const good = await tokenFor(node, [SCOPE], ADMIN);

    for (const text of ['x', '..', 'a.b.c', `${good}.x`, good.slice(0, -1), `${good}=`, '{}.{}.']) {
      await assertRefused(node, text);
    }
    await assertRefused(node, await refreshTokenOf(node, ADMIN));
  });
});

describe('the token service gives in to nobody who asks for', () => {
  it('more scopes than anybody needs, in a URL or in a form', async () => {
    await using node = await startNode();
    const many = Array.from({ length: 101 }, () => SCOPE);
    const long = Array.from({ length: 60 }, (_, n) => `repository:a${n}/${'b'.repeat(200)}:pull`);
    const form = { grant_type: 'password', username: 'admin', password: 'pw' };

    assert.equal((await node.send({ path: asking(many) })).status, 400);
    assert.equal((await node.send({ path: asking(long) })).status, 414);
    assert.equal((await postForm(node, { ...form, scope: many.join(' ') })).status, 400);
    assert.equal((await postForm(node, { ...form, scope: long.join(' ') })).status, 413);
  });

  it('a form without an end', async () => {
    await using node = await startNode();

    const answer = await node.send({ method: 'POST', path: '/service/token', body: endless() });

    assert.equal(answer.status, 413);
  });
});

describe('the realm of a challenge leads nobody away', () => {
  const externalUrl = 'https://eu.example';

  for (const host of [
    'evil.example',
    'eu.example@evil.example',
    'evil.example",service="x',
    'evil.example/eu.example',
    'evil.example, eu.example',
    '',
  ]) {
    it(`by the host ${JSON.stringify(host)}`, async () => {
      await using node = await startNode({ app: { externalUrl } });

      const head = await exchange(
        node,
        `GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );

      assert.deepEqual(realmsIn(head), [`${externalUrl}/service/token`]);
    });
  }

  it('by a host that makes no sense, where no name is known', async () => {
    await using node = await startNode();

    const head = await exchange(
      node,
      'GET /v2/ HTTP/1.1\r\nHost: evil.example",service="x\r\nConnection: close\r\n\r\n',
    );

    assert.deepEqual(realmsIn(head), ['/service/token']);
  });

  it('by a second Host header', async () => {
    await using node = await startNode({ app: { externalUrl } });

    const head = await exchange(
      node,
      'GET /v2/ HTTP/1.1\r\nHost: eu.example\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    );

    assert.ok(!head.includes('evil.example'), head);
  });

  for (const { name, trustedProxies, headers } of [
    {
      name: 'what a client says that is no proxy',
      trustedProxies: ['192.0.2.1'],
      headers: { 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https' },
    },
    {
      name: 'another spelling of what proxies say',
      trustedProxies: ['192.0.2.1'],
      headers: { X_Forwarded_Host: 'evil.example', Forwarded: 'host=evil.example' },
    },
    {
      name: 'a host that a trusted proxy hands on from its client',
      trustedProxies: ['127.0.0.1'],
      headers: { 'X-Forwarded-Host': 'evil.example, eu.example' },
    },
    {
      name: 'two hosts that a trusted proxy hands on',
      trustedProxies: ['127.0.0.1'],
      headers: { 'X-Forwarded-Host': ['evil.example', 'eu.example'] },
    },
    {
      name: 'a host with more in it than a host',
      trustedProxies: ['127.0.0.1'],
      headers: { 'X-Forwarded-Host': 'evil.example",service="x' },
    },
  ]) {
    it(`by ${name}`, async () => {
      await using node = await startNode({ app: { externalUrl, trustedProxies } });

      const answer = await node.send({ path: '/v2/', headers: { Host: 'eu.example', ...headers } });

      const challenge = String(answer.headers['www-authenticate']);
      assert.equal(challenge, `Bearer realm="${externalUrl}/service/token",service="portolan"`);
    });
  }
});

function asking(scopes: readonly string[]): string {
  return `/service/token?scope=${scopes.join('+')}`;
}

async function* endless() {
  for (let n = 0; n < 64; n++) yield Buffer.alloc(1024, 'a');
}

/** A node with an image that only the admin may pull. */
async function nodeWithSecret(options: Parameters<typeof startNode>[0] = {}): Promise<TestNode> {
  const node = await startNode(options);
  await pushImage(node, 'secret/app', ['v1']);
  return node;
}

async function statusWith(node: TestNode, token: string): Promise<number> {
  return (await node.send({ path: SECRET, headers: bearer(token) })).status;
}

async function assertRefused(node: TestNode, token: string): Promise<void> {
  const answer = await node.send({ path: SECRET, headers: bearer(token) });

  assert.equal(answer.status, 401, answer.body.toString());
  assert.equal(answer.code, 'UNAUTHORIZED');
  assert.match(String(answer.headers['www-authenticate']), /^Bearer realm=/);
}

async function kidOf(node: TestNode): Promise<string> {
  return (await node.keys.signing()).kid;
}

/** What a good token says, which with our key is one: only the change of it is what is refused. */
async function template(node: TestNode) {
  const { kid, privateKey } = await node.keys.signing();
  const [, text = ''] = (await tokenFor(node, [SCOPE], ADMIN)).split('.');
  const payload = JSON.parse(Buffer.from(text, 'base64url').toString());
  const same = await new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(privateKey);
  assert.equal(await statusWith(node, same), 200);
  return { payload, kid };
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function realmsIn(head: string): readonly string[] {
  return [...head.matchAll(/realm="([^"]*)"/g)].map(([, realm = '']) => realm);
}
