import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashPassword } from '../../src/access/passwords.ts';
import { authenticationFailed } from '../../src/telemetry/channels.ts';
import { startNode } from './support/node.ts';
import { bearer, claimsOf, postForm, refresh, tokenIn } from './support/token-client.ts';

const PASSWORD = { grant_type: 'password', username: 'admin', password: 'pw' };

describe('POST /service/token', () => {
  it('gives a token for a password, and says what it is good for', async () => {
    await using node = await startNode();
    const scope = 'repository:local/app:pull,push repository:secret/b:delete';

    const given = tokenIn(
      await postForm(node, { ...PASSWORD, service: 'portolan', client_id: 'containerd', scope }),
    );

    assert.equal(given.scope, scope);
    assert.equal(given.expires_in, 300);
    assert.equal(given.refresh_token, undefined);
    assert.equal(claimsOf(given.token).sub, 'admin');
    const answer = await node.send({ path: '/v2/', headers: bearer(given.token) });
    assert.equal(answer.status, 200);
  });

  it('takes scopes that are repeated, as podman sends them', async () => {
    await using node = await startNode();
    const form = new URLSearchParams(PASSWORD);
    form.append('scope', 'repository:local/a:pull');
    form.append('scope', 'repository:local/b:pull');

    const { scope } = tokenIn(await postForm(node, form.toString()));

    assert.equal(scope, 'repository:local/a:pull repository:local/b:pull');
  });

  it('gives a refresh token to who asks for access while offline, and another token for it', async () => {
    await using node = await startNode();
    const first = tokenIn(await postForm(node, { ...PASSWORD, access_type: 'offline' }));

    const second = tokenIn(
      await refresh(node, first.refresh_token ?? '', 'repository:secret/app:pull'),
    );

    assert.equal(claimsOf(second.token).sub, 'admin');
    assert.equal(second.scope, 'repository:secret/app:pull');
    assert.equal(second.refresh_token, undefined);
  });

  for (const { name, form, status, code } of [
    {
      name: 'a wrong password',
      form: { ...PASSWORD, password: 'x' },
      status: 401,
      code: 'UNAUTHORIZED',
    },
    {
      name: 'a refresh token that nobody was given',
      form: { grant_type: 'refresh_token', refresh_token: 'x' },
      status: 401,
      code: 'UNAUTHORIZED',
    },
    {
      name: 'a grant of another type',
      form: { grant_type: 'client_credentials' },
      status: 400,
      code: 'UNSUPPORTED',
    },
    { name: 'nothing', form: '', status: 400, code: 'UNSUPPORTED' },
    {
      name: 'no password',
      form: { grant_type: 'password', username: 'admin' },
      status: 400,
      code: 'UNSUPPORTED',
    },
    {
      name: 'two grant types',
      form: 'grant_type=password&grant_type=refresh_token&username=admin&password=pw',
      status: 400,
      code: 'UNSUPPORTED',
    },
    {
      name: 'a service that does not trust this node',
      form: { ...PASSWORD, service: 'other.example' },
      status: 400,
      code: 'UNSUPPORTED',
    },
    {
      name: 'a form that is longer than a URL may be',
      form: { ...PASSWORD, scope: 'x'.repeat(8192) },
      status: 413,
      code: 'UNSUPPORTED',
    },
  ]) {
    it(`answers ${name} with ${status} in the form that clients read`, async () => {
      await using node = await startNode();

      const answer = await postForm(node, form);

      assert.equal(answer.status, status);
      assert.equal(answer.code, code);
    });
  }

  it('looks at no password and no refresh token on a mirror, where it is for another registry', async () => {
    await using node = await startNode({ app: { mirror: 'docker.io' } });

    const given = tokenIn(await postForm(node, { ...PASSWORD, password: 'of Docker Hub' }));
    const refreshed = tokenIn(await refresh(node, 'of Docker Hub'));

    assert.equal(claimsOf(given.token).sub, '');
    assert.equal(claimsOf(refreshed.token).sub, '');
  });

  it('knows where the name ends and the password begins', async () => {
    await using node = await startNode();
    const password_hash = await hashPassword('a:pw');
    await node.database.write((transaction) =>
      transaction.updateTable('users').set({ password_hash }).where('name', '=', 'admin').execute(),
    );

    const named = { ...PASSWORD, username: 'admin:a', password: 'pw' };

    assert.equal((await postForm(node, named)).status, 401);
    assert.equal((await postForm(node, { ...PASSWORD, password: 'a:pw' })).status, 200);
  });

  it('tells of everybody who is refused, by the name that was given', async () => {
    await using node = await startNode();
    const users: unknown[] = [];
    using _ = authenticationFailed.subscribe(({ user }) => void users.push(user));

    await postForm(node, { ...PASSWORD, username: 'bob', password: 'wrong' });
    await refresh(node, 'nobodys');

    assert.deepEqual(users, ['bob', undefined]);
  });
});
