/** What somebody tries who has no password: with the browser of somebody who is signed in, or by guessing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAudit } from '../../src/audit/audit.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { logIn, postLogin, type SignedIn, tokenIn } from './support/session-client.ts';

const CURRENT = '/api/v2.0/users/current';
const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

describe('a page of another site makes nobody’s browser change anything', () => {
  const cases: readonly (readonly [
    what: string,
    headers: (other: SignedIn, own: SignedIn) => Readonly<Record<string, string>>,
  ])[] = [
    ['without the token', () => ({})],
    ['with a token that it made up', () => ({ 'X-Harbor-CSRF-Token': 'x'.repeat(43) })],
    ['with an empty token', () => ({ 'X-Harbor-CSRF-Token': '' })],
    ['with the token of its own session', ({ token }) => ({ 'X-Harbor-CSRF-Token': token })],
    [
      'with the right token, from a page that says where it is',
      (_, { token }) => ({ 'X-Harbor-CSRF-Token': token, Origin: 'https://evil.example' }),
    ],
    [
      'with the right token, from a page that hides where it is',
      (_, { token }) => ({ 'X-Harbor-CSRF-Token': token, Origin: 'null' }),
    ],
    [
      'with the right token, as the browser says where the page is',
      (_, { token }) => ({ 'X-Harbor-CSRF-Token': token, 'Sec-Fetch-Site': 'cross-site' }),
    ],
  ];
  for (const [what, headersOf] of cases) {
    it(what, async () => {
      await using node = await startNode();
      const own = await logIn(node, ADMIN);
      const other = await logIn(node, 'guest:pw');

      const answer = await change(node, own, headersOf(other, own));

      assert.equal(answer.status, 403);
      assert.equal(answer.code, 'FORBIDDEN');
      assert.equal(await projectCount(node, 'made'), 0);
    });
  }

  it('as a client of Harbor learns from the refusal what to send', async () => {
    await using node = await startNode();
    const own = await logIn(node, ADMIN);
    const refused = await change(node, own, {});
    assert.deepEqual(refused.json(), {
      errors: [{ code: 'FORBIDDEN', message: 'CSRF token invalid' }],
    });

    const answer = await change(node, own, { 'X-Harbor-CSRF-Token': tokenIn(refused) });

    assert.equal(answer.status, 201);
  });

  it('with a password that the browser has kept', async () => {
    await using node = await startNode();

    const answer = await node.send({ ...PROJECT, as: ADMIN, headers: FOREIGN });

    assert.equal(answer.status, 403);
    assert.equal(await projectCount(node, 'made'), 0);
  });

  it('nor signs anybody in or out', async () => {
    await using node = await startNode();
    const { headers } = await logIn(node, ADMIN);

    const login = await postLogin(node, 'guest:pw', { Origin: 'https://evil.example' });
    assert.equal(login.status, 403);
    assert.equal(login.headers['set-cookie'], undefined);
    const out = { path: '/c/log_out', headers: { ...headers, 'Sec-Fetch-Site': 'cross-site' } };
    assert.equal((await node.send(out)).status, 403);
    const neighbour = { ...out, headers: { ...headers, 'Sec-Fetch-Site': 'same-site' } };
    assert.equal((await node.send(neighbour)).status, 403);

    assert.equal((await node.send({ path: CURRENT, headers })).status, 200);
  });

  it('while a page that came by the configured address does', async () => {
    await using node = await startNode({ app: { externalUrl: 'https://eu.example' } });
    const own = await logIn(node, ADMIN, { Origin: 'https://eu.example' });

    const answer = await change(node, own, {
      'X-Harbor-CSRF-Token': own.token,
      Origin: 'https://eu.example',
      'Sec-Fetch-Site': 'same-origin',
    });

    assert.equal(answer.status, 201);
  });
});

describe('a session that somebody else knows', () => {
  it('before the login is nobody’s after it: a planted id stays worthless', async () => {
    await using node = await startNode();
    const planted = 'A'.repeat(43);
    const attackers = await logIn(node, 'guest:pw');

    for (const sid of [planted, attackers.sid]) {
      const own = await logIn(node, ADMIN, { Cookie: `sid=${sid}` });

      assert.notEqual(own.sid, sid);
      const answer = await node.send({ path: CURRENT, headers: { Cookie: `sid=${sid}` } });
      assert.equal(answer.status, 401);
    }
  });

  it('after the logout is worth nothing, and neither is its token', async () => {
    await using node = await startNode();
    const stolen = await logIn(node, ADMIN);
    await node.send({ path: '/c/log_out', headers: stolen.headers });

    assert.equal((await node.send({ path: CURRENT, headers: stolen.headers })).status, 401);
    const answer = await change(node, stolen, { 'X-Harbor-CSRF-Token': stolen.token });
    assert.equal(answer.status, 401);
    // Who has it cannot bring it back by signing in with it.
    const guest = await logIn(node, 'guest:pw', stolen.headers);
    assert.notEqual(guest.sid, stolen.sid);
    assert.equal((await node.send({ path: CURRENT, headers: stolen.headers })).status, 401);
  });

  it('of many that nobody has does not bring back one that has ended', async () => {
    await using node = await startNode();
    const ended = await logIn(node, ADMIN);
    await node.send({ path: '/c/log_out', headers: ended.headers });

    for (let n = 0; n < 50; n++) {
      await postLogin(node, 'guest:pw', { Cookie: `sid=${String(n).padStart(43, 'A')}` });
    }

    assert.equal((await node.send({ path: CURRENT, headers: ended.headers })).status, 401);
  });
});

describe('somebody who tries stolen passwords', () => {
  const APP = { trustedProxies: ['127.0.0.1'] };

  it('of many names from one address has to wait, and does not fill the audit log', async () => {
    const clock = { now: Date.now() };
    await using node = await startNode({ app: APP, now: () => clock.now });
    const from = { 'X-Forwarded-For': '198.51.100.7' };
    const statuses = [];
    for (let n = 0; n < 15; n++) {
      statuses.push((await postLogin(node, `name${n}:Stolen1234`, from)).status);
    }

    assert.deepEqual(statuses, [...Array(10).fill(401), ...Array(5).fill(429)]);
    assert.equal((await loginsOf(node)).length, 10);
    // Others are not held up, nor does the address wait for ever.
    await logIn(node, ADMIN, { 'X-Forwarded-For': '198.51.100.8' });
    clock.now += 5 * MINUTE_MS;
    await logIn(node, ADMIN, from);
  });

  it('of one name from many addresses has to wait, and shuts nobody out', async () => {
    const clock = { now: Date.now() };
    await using node = await startNode({ app: APP, now: () => clock.now });
    const home = { 'X-Forwarded-For': '203.0.113.1' };
    await logIn(node, ADMIN, home);
    const guess = (n: number) =>
      postLogin(node, `admin:Stolen${n}`, { 'X-Forwarded-For': `198.51.100.${n}` });
    const statuses = [];
    for (let n = 0; n < 15; n++) statuses.push((await guess(n)).status);

    assert.deepEqual(statuses, [...Array(10).fill(401), ...Array(5).fill(429)]);
    assert.match((await guess(99)).headers['retry-after'] ?? '', /^[1-9]\d?$/);
    // Where the user works nobody waits, and elsewhere seconds.
    await logIn(node, ADMIN, home);
    clock.now += 20 * SECOND_MS;
    await logIn(node, ADMIN, { 'X-Forwarded-For': '203.0.113.2' });
  });

  it('is in the audit log with name and address, and so is who signs in', async () => {
    await using node = await startNode({ app: APP });
    for (let n = 0; n < 12; n++) {
      await postLogin(node, `admin:Stolen${n}`, { 'X-Forwarded-For': '198.51.100.7' });
    }
    const { headers } = await logIn(node, 'guest:pw');
    await node.send({ path: CURRENT, as: 'guest:pw' });
    await node.send({ path: '/c/log_out', headers });

    assert.deepEqual(await loginsOf(node), [
      'admin at 198.51.100.7: login, false',
      'guest at 127.0.0.1: login, true',
      'guest at 127.0.0.1: logout, true',
    ]);
  });
});

const FOREIGN = { 'Content-Type': 'application/json', Origin: 'https://evil.example' };
const PROJECT = {
  method: 'POST',
  path: '/api/v2.0/projects',
  body: JSON.stringify({ project_name: 'made' }),
} as const;

/** Makes a project. */
function change(node: TestNode, { headers }: SignedIn, more: Readonly<Record<string, string>>) {
  return node.send({
    ...PROJECT,
    headers: { 'Content-Type': 'application/json', ...headers, ...more },
  });
}

async function projectCount({ database }: TestNode, name: string): Promise<number> {
  const rows = await database.read
    .selectFrom('projects')
    .select('id')
    .where('name', '=', name)
    .execute();
  return rows.length;
}

/** The oldest first. */
async function loginsOf({ database }: TestNode): Promise<readonly string[]> {
  const { items } = await createAudit(database).list(EVERYTHING);
  return items
    .filter(({ operation }) => operation.startsWith('log'))
    .map((row) => `${row.actor} at ${row.address}: ${row.operation}, ${row.succeeded}`)
    .toReversed();
}
