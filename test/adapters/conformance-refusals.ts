import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { until } from '../support/until.ts';
import { NOWHERE, type StartVendor } from './vendor.ts';

const ME = { username: 'me', password: 'secret' };

/** Being let in, being refused, and being told to wait. */
export function conformsToRefusedPeer(start: StartVendor): void {
  const signal = AbortSignal.timeout(30_000);
  const head = (peer: RegistryPeer) => peer.headManifest('library/alpine', '3.20', { signal });

  it('says MANIFEST_UNKNOWN for what is not there', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);

    const expected = { code: 'MANIFEST_UNKNOWN' };
    await assert.rejects(vendor.peer.manifest('library/alpine', 'nope', { signal }), expected);
    await assert.rejects(vendor.peer.manifest('library/alpine', NOWHERE, { signal }), expected);
    await assert.rejects(vendor.peer.headManifest('library/nope', '1', { signal }), expected);
  });

  it('answers a ping, with a credential only where that is right', async () => {
    await using vendor = await start();
    vendor.upstream.requireToken({ users: { me: 'secret' }, anonymous: false });
    const wrong = vendor.connect({ credential: { ...ME, password: 'guessed' } });

    await vendor.connect({ credential: ME }).ping({ signal });
    await vendor.peer.ping({ signal });
    await assert.rejects(wrong.ping({ signal }), { name: 'UpstreamDenied' });
  });

  it('is no registry that does not answer like one', async () => {
    await using vendor = await start();
    vendor.upstream.behave({ path: /^\/v2\/$/ }, { status: 404 });

    await assert.rejects(vendor.peer.ping({ signal }), { name: 'UpstreamInvalid' });
  });

  it('gets a token where one is wanted, and keeps it', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken({ lifetimeSeconds: 300 });

    for (let i = 0; i < 3; i++) await head(vendor.peer);

    assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
    assert.equal(vendor.upstream.count({ path: /manifests/ }), 4);
    assert.equal(vendor.upstream.seen({ path: /^\/token/ })[0]?.headers.authorization, undefined);
  });

  it('gets one token for many requests at once', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken({ lifetimeSeconds: 300 });
    vendor.upstream.behave({ path: /^\/token/ }, { bytesPerSecond: 1000 });

    await Promise.all(Array.from({ length: 6 }, () => head(vendor.peer)));

    assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
  });

  it('gets a token as somebody, and one for each repository', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.addImage('team/app', '3.20', []);
    vendor.upstream.requireToken({
      users: { me: 'secret' },
      anonymous: false,
      field: 'access_token',
    });
    const peer = vendor.connect({ credential: ME });

    await head(peer);
    await peer.headManifest('team/app', '3.20', { signal });

    const scopes = vendor.upstream
      .seen({ path: /^\/token/ })
      .map(({ path }) => new URL(path, vendor.upstream.url).searchParams.get('scope'));
    assert.deepEqual(scopes, ['repository:library/alpine:pull', 'repository:team/app:pull']);
  });

  it('renews a token that expired', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken({ lifetimeSeconds: 300 });
    await head(vendor.peer);

    vendor.upstream.tokens.expireAll();
    await head(vendor.peer);

    assert.equal(vendor.upstream.count({ path: /^\/token/ }), 2);
  });

  it('logs in where a login is wanted', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireBasic('me', 'secret');

    await head(vendor.connect({ credential: ME }));
    await assert.rejects(head(vendor.peer), { name: 'UpstreamDenied', status: 401 });
  });

  it('says in the registry’s words why it is denied', async () => {
    await using vendor = await start();
    const body = '{"errors":[{"code":"UNAUTHORIZED","message":"your plan has ended"}]}';
    const headers = { 'www-authenticate': 'Basic realm="x"' };
    vendor.upstream.behave({}, { status: 401, body, headers });

    const denied = vendor.connect({ credential: ME }).manifest('library/alpine', '3', { signal });

    await assert.rejects(denied, (error) => {
      assert.ok(error instanceof Error && error.cause instanceof Error);
      assert.equal(error.cause.message, 'UNAUTHORIZED: your plan has ended');
      return true;
    });
  });

  it('is denied with a wrong password, or when nobody is let in', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken({ users: { me: 'other' }, anonymous: false });

    const expected = { name: 'UpstreamDenied', status: 401 };
    await assert.rejects(head(vendor.connect({ credential: ME })), expected);
    await assert.rejects(head(vendor.peer), expected);
  });

  it('is denied after one fresh token, and asks no more', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.requireToken();
    vendor.upstream.behave(
      { path: /^\/v2/ },
      {
        status: 401,
        headers: {
          'www-authenticate': vendor.upstream.tokens.challenge('/v2/library/alpine/tags/'),
        },
      },
    );

    await assert.rejects(head(vendor.peer), { name: 'UpstreamDenied', status: 401 });
    assert.equal(vendor.upstream.count({ path: /^\/v2/ }), 2);
    assert.equal(vendor.upstream.count({ path: /^\/token/ }), 1);
  });

  it('sends its login to no token realm that is another’s', async () => {
    await using vendor = await start();
    await using thief = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    const realm = `http://localhost:${thief.upstream.url.port}/token`;
    vendor.upstream.requireToken({ realm });

    await assert.rejects(head(vendor.connect({ credential: ME })), {
      name: 'UpstreamDenied',
      status: 401,
    });
    assert.equal(thief.upstream.requests.length, 0);
  });

  it('tells 403 as it is', async () => {
    await using vendor = await start();
    const body = '{"errors":[{"code":"DENIED","message":"not yours"}]}';
    vendor.upstream.behave({}, { status: 403, body });

    await assert.rejects(vendor.peer.manifest('library/alpine', '3.20', { signal }), (error) => {
      assert.ok(error instanceof Error && error.cause instanceof Error);
      assert.equal(error.name, 'UpstreamDenied');
      assert.equal(error.cause.message, 'DENIED: not yours');
      return true;
    });
  });

  it('tells 429 at once, and leaves the registry alone until it may ask again', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.behave({ times: 1 }, { status: 429, headers: { 'retry-after': '60' } });

    const expected = { name: 'UpstreamThrottled', retryAfterSeconds: 60 };
    await assert.rejects(head(vendor.peer), expected);
    await assert.rejects(head(vendor.peer), expected);

    assert.equal(vendor.upstream.requests.length, 1);
  });

  it('waits out a short trouble of the registry', async () => {
    await using vendor = await start();
    vendor.upstream.addImage('library/alpine', '3.20', []);
    vendor.upstream.behave({ times: 1 }, { reset: true });
    vendor.upstream.behave({ times: 1 }, { status: 503 });

    await head(vendor.peer);

    assert.equal(vendor.upstream.requests.length, 3);
  });

  for (const status of [500, 502, 503, 504]) {
    it(`gives up on ${status} after three attempts`, async () => {
      await using vendor = await start();
      vendor.upstream.behave({}, { status });

      await assert.rejects(head(vendor.peer), {
        name: 'UpstreamUnavailable',
        reason: 'server-error',
      });
      assert.equal(vendor.upstream.requests.length, 3);
    });
  }

  it('gives up on a registry that says nothing', async () => {
    await using vendor = await start();
    vendor.upstream.behave({}, { silent: true });

    await assert.rejects(head(vendor.connect({ limits: { firstByteMs: 100 } })), {
      name: 'UpstreamUnavailable',
      reason: 'timeout',
    });
    assert.equal(vendor.upstream.requests.length, 1);
  });

  it('says that nobody is there', async () => {
    await using vendor = await start();
    await vendor.upstream[Symbol.asyncDispose]();

    await assert.rejects(head(vendor.peer), { name: 'UpstreamUnavailable', reason: 'unreachable' });
  });

  it('stops with the signal’s own reason', async () => {
    await using vendor = await start();
    vendor.upstream.behave({}, { silent: true });
    const controller = new AbortController();
    const options = { signal: controller.signal };

    const waiting = vendor.peer.manifest('library/alpine', '3.20', options);
    await until(() => vendor.upstream.requests.length === 1);
    controller.abort(new Error('changed my mind'));

    await assert.rejects(waiting, { message: 'changed my mind' });
    await assert.rejects(vendor.peer.manifest('library/alpine', '3.20', options), {
      message: 'changed my mind',
    });
    await until(() => vendor.upstream.requests[0]?.isOver === true);
    assert.equal(vendor.upstream.requests.length, 1);
  });
}
