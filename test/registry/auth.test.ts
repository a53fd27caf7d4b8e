import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectPeer } from '../support/registry-peer.ts';
import { until } from '../support/until.ts';
import { startUpstream, type Upstream } from '../support/upstream.ts';

const signal = AbortSignal.timeout(600_000);
const ME = { username: 'me', password: 'secret' };

describe('getting in', () => {
  it('asks /v2/ what is wanted when a 401 does not say', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.requireToken();
    upstream.behave({ path: /manifests/, times: 1 }, { status: 401 });
    using connected = connectPeer({ url: upstream.url });

    await connected.peer.headManifest('a', '1', { signal });

    assert.deepEqual(
      upstream.requests.map(({ path }) => path.replace(/\?.*/, '')),
      ['/v2/a/manifests/1', '/v2/', '/token', '/v2/a/manifests/1'],
    );
  });

  it('asks for the repository’s own scope where the challenge has a placeholder', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('me/app', '1', []);
    const challenge = `Bearer realm="${upstream.tokens.url.href}",service="s",scope="repository:user/image:pull"`;
    upstream.requireToken({ challenge });
    using connected = connectPeer({ url: upstream.url });

    await connected.peer.headManifest('me/app', '1', { signal });

    assert.deepEqual(scopesOf(upstream), ['repository:me/app:pull']);
  });

  it('asks for the scope of the challenge when its own was not enough', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    const challenge = `Bearer realm="${upstream.tokens.url.href}",service="s",scope="repository:inner/a:pull",error="insufficient_scope"`;
    upstream.requireToken({ challenge });
    // Nothing satisfies this registry; what counts is that each scope is tried once, and no more.
    upstream.behave({ path: /^\/v2/ }, { status: 401, headers: { 'www-authenticate': challenge } });
    using connected = connectPeer({ url: upstream.url });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), { status: 401 });

    assert.deepEqual(scopesOf(upstream), ['repository:a:pull', 'repository:inner/a:pull']);
  });

  it('asks a registry that no scope is enough for no more the next time', async () => {
    await using upstream = await startUpstream();
    const challenge = `Bearer realm="${upstream.tokens.url.href}",scope="repository:inner/a:pull",error="insufficient_scope"`;
    upstream.requireToken({ challenge });
    upstream.behave({ path: /^\/v2/ }, { status: 401, headers: { 'www-authenticate': challenge } });
    using connected = connectPeer({ url: upstream.url });

    for (let i = 0; i < 3; i++) {
      const soon = AbortSignal.timeout(5000);
      await assert.rejects(connected.peer.headManifest('a', '1', { signal: soon }), {
        status: 401,
      });
    }

    assert.ok(upstream.requests.length <= 20, `${upstream.requests.length}`);
  });

  it('remembers the scope under which a registry knows a repository', async () => {
    await using upstream = await startUpstream();
    const challenge = `Bearer realm="${upstream.tokens.url.href}",scope="repository:inner/a:pull",error="insufficient_scope"`;
    const refusal = { status: 401, headers: { 'www-authenticate': challenge } };
    upstream.requireToken({ lifetimeSeconds: 300 });
    upstream.behave({ path: /^\/v2/ }, { status: 404 });
    upstream.behave({ path: /^\/v2/, times: 2 }, refusal);
    using connected = connectPeer({ url: upstream.url });
    const head = () => connected.peer.headManifest('a', '1', { signal });

    await assert.rejects(head(), { code: 'MANIFEST_UNKNOWN' });
    await assert.rejects(head(), { code: 'MANIFEST_UNKNOWN' });

    assert.deepEqual(scopesOf(upstream), ['repository:a:pull', 'repository:inner/a:pull']);
    const [, , better, next] = upstream
      .seen({ path: /manifests/ })
      .map(({ headers }) => headers.authorization);
    assert.equal(next, better);
  });

  for (const lifetime of [{}, { lifetimeSeconds: 0 }]) {
    it(`keeps a token whose service says ${JSON.stringify(lifetime)} of how long it lives`, async () => {
      await using upstream = await startUpstream();
      upstream.addImage('a', '1', []);
      upstream.requireToken(lifetime);
      using connected = connectPeer({ url: upstream.url });

      for (let i = 0; i < 3; i++) await connected.peer.headManifest('a', '1', { signal });

      assert.equal(upstream.count({ path: /^\/token/ }), 1);
    });
  }

  it('tells a token service that takes too long as a registry that does', async () => {
    await using upstream = await startUpstream();
    upstream.requireToken();
    upstream.behave({ path: /^\/token/ }, { status: 503, headers: { 'retry-after': '1' } });
    using connected = connectPeer({
      url: upstream.url,
      limits: { firstByteMs: 50, controlMs: 50 },
    });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamUnavailable',
      reason: 'timeout',
    });
  });

  it('takes Basic where Bearer is not offered, and Bearer where both are', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    const challenge = `Basic realm="x", Bearer realm="${upstream.tokens.url.href}"`;
    upstream.requireToken({ challenge });
    using connected = connectPeer({ url: upstream.url, credential: ME });

    await connected.peer.headManifest('a', '1', { signal });

    assert.match(upstream.requests.at(-1)?.headers.authorization ?? '', /^Bearer /);
  });

  it('brings the token along to repositories that were not asked for yet', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.addImage('b', '1', []);
    upstream.requireToken();
    using connected = connectPeer({ url: upstream.url });

    await connected.peer.headManifest('a', '1', { signal });
    await connected.peer.headManifest('b', '1', { signal });

    assert.equal(upstream.count({ path: /\/v2\/b\// }), 1);
  });

  it('gets another token before the old one’s last tenth', async (t) => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.requireToken({ lifetimeSeconds: 100 });
    using connected = connectPeer({ url: upstream.url });
    t.mock.timers.enable({ apis: ['Date'], now: 0 });

    for (const now of [0, 89_000, 91_000]) {
      t.mock.timers.setTime(now);
      await connected.peer.headManifest('a', '1', { signal });
    }

    assert.equal(upstream.count({ path: /^\/token/ }), 2);
    assert.equal(upstream.count({ path: /manifests/ }), 4);
  });

  it('takes a token from a realm elsewhere that the operator named', async () => {
    await using upstream = await startUpstream();
    await using service = await startUpstream();
    upstream.addImage('a', '1', []);
    const realm = `http://localhost:${service.url.port}/token`;
    upstream.requireToken({ issuer: service.tokens, realm, users: { me: 'secret' } });
    const options = { tokenHosts: ['localhost'] };
    using connected = connectPeer({ url: upstream.url, credential: ME, options });

    await connected.peer.headManifest('a', '1', { signal });

    assert.match(service.requests[0]?.headers.authorization ?? '', /^Basic /);
  });

  it('says which realm it refused, and how to allow it', async () => {
    await using upstream = await startUpstream();
    upstream.requireToken({ realm: 'https://elsewhere.example/token' });
    using connected = connectPeer({ url: upstream.url });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), (error) => {
      assert.ok(error instanceof Error && error.cause instanceof Error);
      assert.match(error.cause.message, /elsewhere\.example.*tokenHosts/);
      return true;
    });
  });

  const answers = [
    { name: 'no JSON', how: { headers: { 'content-type': 'text/html' }, corrupt: true } },
    { name: 'a redirect to another place', how: { status: 418 } },
  ];
  for (const { name, how } of answers) {
    it(`refuses a token service that answers with ${name}`, async () => {
      await using upstream = await startUpstream();
      upstream.requireToken();
      upstream.behave({ path: /^\/token/ }, how);
      using connected = connectPeer({ url: upstream.url });

      await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
        name: 'UpstreamInvalid',
        message: /token service/,
      });
    });
  }

  it('refuses a token service that answers without end', async () => {
    await using upstream = await startUpstream();
    await using elsewhere = await startUpstream();
    const { digest } = elsewhere.addBlob('a', Buffer.alloc(2 ** 20));
    upstream.requireToken();
    upstream.behave(
      { path: /^\/token/ },
      { redirectTo: new URL(`v2/a/blobs/${digest}`, elsewhere.url) },
    );
    using connected = connectPeer({ url: upstream.url });

    await assert.rejects(connected.peer.headManifest('a', '1', { signal }), {
      name: 'UpstreamInvalid',
    });
  });

  it('tells a throttled token service as throttled, and a broken one as unavailable', async () => {
    await using upstream = await startUpstream();
    upstream.requireToken();
    using connected = connectPeer({ url: upstream.url });
    const head = () => connected.peer.headManifest('a', '1', { signal });

    upstream.behave({ path: /^\/token/ }, { status: 500 });
    await assert.rejects(head(), { name: 'UpstreamUnavailable' });
    upstream.behave({ path: /^\/token/ }, { status: 429, headers: { 'retry-after': '7' } });
    await assert.rejects(head(), { name: 'UpstreamThrottled', retryAfterSeconds: 7 });
  });

  it('goes on with the token for others when the first asker leaves', async () => {
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    upstream.requireToken();
    const { promise: hold, resolve: release } = Promise.withResolvers<void>();
    upstream.behave({ path: /^\/token/ }, { hold });
    using connected = connectPeer({ url: upstream.url });
    const leaving = new AbortController();

    const first = connected.peer.headManifest('a', '1', { signal: leaving.signal });
    const second = connected.peer.headManifest('a', '1', { signal });
    while (upstream.count({ path: /^\/token/ }) === 0) await new Promise(setImmediate);
    leaving.abort(new Error('gone'));
    await assert.rejects(first, { message: 'gone' });
    release();
    await second;

    assert.equal(upstream.count({ path: /^\/token/ }), 1);
  });

  it('asks for no token that nobody waits for any more', async () => {
    await using upstream = await startUpstream();
    for (const name of ['a', 'b', 'c']) upstream.addImage(name, '1', []);
    upstream.requireToken();
    using connected = connectPeer({ url: upstream.url, limits: { controlSlots: 1 } });
    await connected.peer.headManifest('a', '1', { signal });
    const { promise: hold, resolve: release } = Promise.withResolvers<void>();
    upstream.behave({ path: /^\/token/ }, { hold });
    const first = connected.peer.headManifest('b', '1', { signal });
    await until(() => upstream.count({ path: /^\/token/ }) === 2);
    const leaving = new AbortController();
    const abandoned = leaving.signal;

    const left = connected.peer.headManifest('c', '1', { signal, abandoned });
    await new Promise(setImmediate);
    leaving.abort(new Error('abandoned'));
    await assert.rejects(left, { message: 'abandoned' });
    release();
    await first;
    await connected.peer.headManifest('a', '1', { signal });

    assert.equal(upstream.count({ path: /^\/token/ }), 2);
  });
});

function scopesOf(upstream: Upstream): (string | null)[] {
  return upstream
    .seen({ path: /^\/token/ })
    .map(({ path }) => new URL(path, upstream.url).searchParams.get('scope'));
}
