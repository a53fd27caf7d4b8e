import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Answer } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import {
  claimsOf,
  postForm,
  refresh,
  refreshTokenOf,
  tokenFor,
  tokenIn,
} from './support/token-client.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('a refresh token', () => {
  it('is given to who asks for one and says who it is', async () => {
    await using node = await startNode();
    const path = '/service/token?offline_token=true';

    const asked = tokenIn(await node.send({ path, as: ADMIN }));
    const unasked = tokenIn(await node.send({ path: '/service/token', as: ADMIN }));
    const nobody = tokenIn(await node.send({ path }));

    assert.match(asked.refresh_token ?? '', /^[\w-]{43}$/);
    assert.equal(unasked.refresh_token, undefined);
    assert.equal(nobody.refresh_token, undefined);
  });

  it('is good for one token after the other, each for what its user may', async () => {
    await using node = await startNode();
    const token = await refreshTokenOf(node, 'guest:pw');
    const scope = 'repository:local/app:pull,push';

    for (const _ of [1, 2, 3]) {
      const given = tokenIn(await refresh(node, token, scope));
      assert.equal(given.scope, 'repository:local/app:pull');
      assert.equal(claimsOf(given.token).sub, 'guest');
    }
  });

  it('lies in the database as a hash, with what its client calls itself', async () => {
    await using node = await startNode();
    const token = await refreshTokenOf(node, ADMIN);

    const rows = await node.database.read.selectFrom('refresh_tokens').selectAll().execute();

    assert.equal(rows[0]?.client, 'docker');
    assert.ok(!JSON.stringify(rows).includes(token));
  });

  it('lasts as long as it is used, and not much longer', async () => {
    const clock = { now: Date.now() };
    await using node = await startNode({ now: () => clock.now });
    const token = await refreshTokenOf(node, ADMIN);

    // The node of these tests ends them an hour after their last use.
    clock.now += 60 * 60 * 1000 - 1;
    assert.equal((await refresh(node, token)).status, 200);
    clock.now += 2;
    assert.equal((await refresh(node, token)).status, 401);
  });

  it('makes room for others once it has ended', async () => {
    const clock = { now: Date.now() };
    await using node = await startNode({ now: () => clock.now });
    await refreshTokenOf(node, ADMIN);
    clock.now += DAY_MS;

    await refreshTokenOf(node, 'guest:pw');

    const rows = await node.database.read.selectFrom('refresh_tokens').selectAll().execute();
    assert.equal(rows.length, 1);
  });

  for (const { name, change } of [
    { name: 'is disabled', change: { disabled: 1 } },
    { name: 'has another password', change: { valid_from: Date.now() + DAY_MS } },
  ] as const) {
    it(`ends, and tokens with it, when its user ${name}`, async () => {
      await using node = await startNode();
      const { token, headers } = await signedIn(node);

      await node.database.write((transaction) =>
        transaction.updateTable('users').set(change).where('name', '=', 'guest').execute(),
      );

      assert.equal((await refresh(node, token)).status, 401);
      assert.equal((await node.send({ path: '/v2/', headers })).status, 401);
    });
  }

  it('is revoked by who has it, and no other with it (RFC 7009)', async () => {
    await using node = await startNode();
    const token = await refreshTokenOf(node, 'guest:pw');
    const other = await refreshTokenOf(node, 'guest:pw');

    const revoked = await revoke(node, { token, token_type_hint: 'refresh_token' });
    const again = await revoke(node, { token });

    assert.deepEqual([revoked.status, revoked.body.length], [200, 0]);
    assert.equal(again.status, 200, 'who revokes one that is none has what they want');
    assert.equal((await refresh(node, token)).status, 401);
    assert.equal((await refresh(node, other)).status, 200);
    assert.equal((await revoke(node, {})).status, 400);
  });

  it('is looked at by no mirror, to revoke it either', async () => {
    await using node = await startNode({ app: { mirror: 'docker.io' } });

    assert.equal((await revoke(node, { token: 'x' })).status, 404);
  });

  it('ends, and tokens with it, when its user is removed, whoever is called so later', async () => {
    await using node = await startNode();
    const { token, headers } = await signedIn(node);
    const { id, ...row } = await node.database.read
      .selectFrom('users')
      .selectAll()
      .where('name', '=', 'guest')
      .executeTakeFirstOrThrow();

    await node.database.write(async (transaction) => {
      await transaction.deleteFrom('users').where('id', '=', id).execute();
      await transaction.insertInto('users').values(row).execute();
    });

    assert.equal((await refresh(node, token)).status, 401);
    assert.equal((await node.send({ path: '/v2/', headers })).status, 401);
    const as = { grant_type: 'password', username: 'guest', password: 'pw' };
    assert.equal((await postForm(node, as)).status, 200);
  });
});

function revoke(node: TestNode, form: Readonly<Record<string, string>>): Promise<Answer> {
  return node.send({
    method: 'POST',
    path: '/service/token/revoke',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
}

async function signedIn(node: TestNode) {
  const token = await refreshTokenOf(node, 'guest:pw');
  const headers = { Authorization: `Bearer ${await tokenFor(node, [], 'guest:pw')}` };
  assert.equal((await refresh(node, token)).status, 200);
  assert.equal((await node.send({ path: '/v2/', headers })).status, 200);
  return { token, headers };
}
