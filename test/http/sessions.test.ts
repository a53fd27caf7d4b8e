import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ADMIN, startNode } from './support/node.ts';
import { cookieIn, logIn, postLogin, tokenIn } from './support/session-client.ts';

const CURRENT = '/api/v2.0/users/current';
const MINUTE_MS = 60_000;

describe('POST /c/login', () => {
  it('gives a cookie that no script reads and no other site sends, and the token for changes', async () => {
    await using node = await startNode();

    const answer = await postLogin(node, ADMIN);

    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, 0);
    assert.equal(answer.headers['cache-control'], 'no-store');
    assert.match(cookieIn(answer), /^sid=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.match(tokenIn(answer), /^[\w-]{43}$/);
  });

  it('gives one that goes over TLS alone to who came by TLS', async () => {
    await using node = await startNode({ app: { trustedProxies: ['127.0.0.1'] } });

    const answer = await postLogin(node, ADMIN, { 'X-Forwarded-Proto': 'https' });

    assert.match(cookieIn(answer), /; Secure$/);
  });

  it('gives one that goes over TLS alone to who came by a name that has TLS, whatever a proxy says', async () => {
    await using node = await startNode({ app: { externalUrl: 'https://eu.example' } });

    assert.match(cookieIn(await postLogin(node, ADMIN, { Host: 'eu.example' })), /; Secure$/);
    assert.doesNotMatch(cookieIn(await postLogin(node, ADMIN)), /Secure/);
  });

  for (const [what, form] of [
    ['a wrong password', 'principal=admin&password=wrong'],
    ['a name that nobody has', 'principal=nobody&password=pw'],
    ['no password', 'principal=admin'],
    ['a name that is none', 'principal=ad%00min&password=pw'],
    ['nothing', ''],
  ] as const) {
    it(`is 401 for ${what}, with no cookie and no way to sign in but this`, async () => {
      await using node = await startNode();

      const answer = await node.send({ method: 'POST', path: '/c/login', body: form });

      assert.equal(answer.status, 401);
      assert.equal(answer.code, 'UNAUTHORIZED');
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.equal(answer.headers['www-authenticate'], undefined);
    });
  }

  it('is 400 for a form that could be read in two ways, and 413 for one without an end', async () => {
    await using node = await startNode();
    const send = (body: string) => node.send({ method: 'POST', path: '/c/login', body });

    assert.equal((await send('principal=admin&principal=guest&password=pw')).status, 400);
    assert.equal((await send(`principal=admin&password=${'x'.repeat(9_000)}`)).status, 413);
  });

  it('is not there for the clients of a mirror', async () => {
    await using node = await startNode({ app: { mirror: 'docker.io' } });

    assert.equal((await postLogin(node, ADMIN)).status, 404);
    assert.equal((await node.send({ path: '/c/log_out' })).status, 404);
  });
});

describe('a session', () => {
  it('signs its user in below /api, and tells the token with every answer', async () => {
    await using node = await startNode();
    const { headers, token } = await logIn(node, ADMIN);

    const answer = await node.send({ path: CURRENT, headers });

    assert.equal(answer.status, 200);
    assert.equal(z.object({ username: z.string() }).parse(answer.json()).username, 'admin');
    assert.equal(tokenIn(answer), token);
  });

  it('changes with the token', async () => {
    await using node = await startNode();
    const { headers, token } = await logIn(node, ADMIN);

    const answer = await node.send({
      method: 'PUT',
      path: '/api/v2.0/configurations',
      headers: {
        ...headers,
        'Content-Type': 'application/json',
        'X-Harbor-CSRF-Token': token,
        Origin: `http://${node.host}:${node.port}`,
      },
      body: '{}',
    });

    assert.equal(answer.status, 200, answer.body.toString());
  });

  it('signs nobody in at the registry, at the token service, and at a mirror', async () => {
    await using node = await startNode();
    const { headers } = await logIn(node, ADMIN);

    assert.equal((await node.send({ path: '/v2/', headers })).status, 401);
    assert.equal((await node.send({ path: '/v2/secret/app/tags/list', headers })).status, 401);
    const tokens = await node.send({
      path: '/service/token?service=portolan&scope=repository:secret/app:pull',
      headers,
    });
    const { scope } = z.object({ scope: z.string() }).parse(tokens.json());
    assert.equal(scope, '');
    const mirror = await startNode({ app: { mirror: 'docker.io' } });
    await using _ = mirror;
    assert.equal((await mirror.send({ path: CURRENT, headers })).status, 404);
  });

  it('is nothing beside credentials: those decide, and need no token', async () => {
    await using node = await startNode();
    const { headers } = await logIn(node, ADMIN);
    const whoIs = await node.send({ path: CURRENT, headers, as: 'guest:pw' });

    assert.equal(z.object({ username: z.string() }).parse(whoIs.json()).username, 'guest');
    assert.equal((await node.send({ path: CURRENT, headers, as: 'admin:wrong' })).status, 401);
    const change = await node.send({
      method: 'PUT',
      path: '/api/v2.0/configurations',
      headers: { ...headers, 'Content-Type': 'application/json' },
      as: ADMIN,
      body: '{}',
    });
    assert.equal(change.status, 200);
  });

  it('goes on while it is used, and not by what a page asks on its own', async () => {
    let now = Date.now();
    await using node = await startNode({ now: () => now });
    const { headers } = await logIn(node, ADMIN);
    const quietly = { ...headers, 'X-Harbor-No-Session-Renewal': 'true' };
    const ask = async (sent: Record<string, string>) =>
      (await node.send({ path: CURRENT, headers: sent })).status;

    now += 40 * MINUTE_MS;
    assert.equal(await ask(headers), 200);
    now += 40 * MINUTE_MS;
    assert.equal(await ask(quietly), 200);
    now += 21 * MINUTE_MS;
    assert.equal(await ask(headers), 401);
  });

  it('ends with the password, and when its user is disabled', async () => {
    let now = Date.now();
    await using node = await startNode({ now: () => now });
    for (const values of [{ valid_from: now + 1 }, { disabled: 1 }] as const) {
      const { headers } = await logIn(node, ADMIN);
      now += 1;

      await node.database.write((transaction) =>
        transaction.updateTable('users').set(values).where('name', '=', 'admin').execute(),
      );

      assert.equal((await node.send({ path: CURRENT, headers })).status, 401);
    }
  });

  it('has what its user has now', async () => {
    await using node = await startNode();
    const { headers } = await logIn(node, 'guest:pw');
    const settings = { path: '/api/v2.0/configurations', headers };
    assert.equal((await node.send(settings)).status, 403);

    await node.database.write((transaction) =>
      transaction.updateTable('users').set({ admin: 1 }).where('name', '=', 'guest').execute(),
    );

    assert.equal((await node.send(settings)).status, 200);
  });

  it('that is none, or is one of two, is nobody’s', async () => {
    await using node = await startNode();
    const { sid } = await logIn(node, ADMIN);
    const other = await logIn(node, 'guest:pw');

    for (const Cookie of [
      'sid=',
      'sid=x',
      `sid=${sid.slice(1)}`,
      `Sid=${sid}`,
      `sid=${sid}; sid=${other.sid}`,
      `sid="${sid}"`,
    ]) {
      assert.equal((await node.send({ path: CURRENT, headers: { Cookie } })).status, 401, Cookie);
    }
    const Cookie = `theme=dark;sid=${sid} ; x=sid=1`;
    assert.equal((await node.send({ path: CURRENT, headers: { Cookie } })).status, 200);
  });
});

describe('GET /c/log_out', () => {
  it('ends the session and takes the cookie', async () => {
    await using node = await startNode();
    const { headers } = await logIn(node, ADMIN);

    const answer = await node.send({ path: '/c/log_out', headers });

    assert.equal(answer.status, 200);
    assert.match(cookieIn(answer), /^sid=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax$/);
    assert.equal((await node.send({ path: CURRENT, headers })).status, 401);
  });

  it('is fine for somebody who is not signed in', async () => {
    await using node = await startNode();

    assert.equal((await node.send({ path: '/c/log_out' })).status, 200);
    assert.equal((await node.send({ path: '/c/login' })).status, 405);
  });
});
