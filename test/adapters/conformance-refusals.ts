import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { until } from '../support/until.ts';
import { NOWHERE, type StartReadable } from './vendor.ts';

/** Being refused, and being told to wait. */
export function conformsToRefusedPeer(start: StartReadable): void {
  const signal = AbortSignal.timeout(30_000);
  const head = (peer: RegistryPeer) => peer.headManifest('library/alpine', '3.20', { signal });

  it('says MANIFEST_UNKNOWN for what is not there', async () => {
    await using vendor = await start();
    await vendor.hold('library/alpine', '3.20');

    const expected = { code: 'MANIFEST_UNKNOWN' };
    await assert.rejects(vendor.peer.manifest('library/alpine', 'nope', { signal }), expected);
    await assert.rejects(vendor.peer.manifest('library/alpine', NOWHERE, { signal }), expected);
    await assert.rejects(vendor.peer.headManifest('library/nope', '1', { signal }), expected);
  });

  it('is no registry that does not answer like one', async () => {
    await using vendor = await start();
    vendor.upstream.behave({}, { status: 404 });

    await assert.rejects(vendor.peer.ping({ signal }), { name: 'UpstreamInvalid' });
  });

  it('tells 401 as it is, where there is no credential that would do', async () => {
    await using vendor = await start();
    await vendor.hold('library/alpine', '3.20');
    const headers = { 'www-authenticate': 'Basic realm="x"' };
    vendor.upstream.behave({}, { status: 401, headers });

    await assert.rejects(head(vendor.peer), { name: 'UpstreamDenied', status: 401 });
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
    await vendor.hold('library/alpine', '3.20');
    vendor.upstream.behave({ times: 1 }, { status: 429, headers: { 'retry-after': '60' } });

    const expected = { name: 'UpstreamThrottled', retryAfterSeconds: 60 };
    await assert.rejects(head(vendor.peer), expected);
    await assert.rejects(head(vendor.peer), expected);

    assert.equal(vendor.upstream.requests.length, 1);
  });

  it('waits out a short trouble of the registry', async () => {
    await using vendor = await start();
    await vendor.hold('library/alpine', '3.20');
    vendor.upstream.behave({ times: 1 }, { reset: true });
    vendor.upstream.behave({ times: 1 }, { status: 503 });

    await head(vendor.peer);

    const [first, ...more] = vendor.upstream.requests.map(({ path }) => path);
    assert.deepEqual(more.slice(0, 2), [first, first]);
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
