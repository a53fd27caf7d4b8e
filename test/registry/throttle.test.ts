import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createMemoryCache } from '../../src/cache/cache.ts';
import { distributionPeer } from '../../src/registry/distribution-peer.ts';
import { createRegistryClient } from '../../src/registry/registry-client.ts';
import { Throttle } from '../../src/registry/throttle.ts';
import { startUpstream } from '../support/upstream.ts';

describe('an endpoint that was told to wait', () => {
  it('waits as long as it was told, and says how long that is', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    throttle.block('control', 60, 10_000);

    clock.now = 20_500;
    assert.throws(() => throttle.assertFree('control'), { retryAfterSeconds: 40 });
    clock.now = 60_000;
    throttle.assertFree('control');
  });

  it('waits a moment when it was not told how long', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    const told = throttle.block('control', undefined, 10_000);

    assert.equal(told.retryAfterSeconds, undefined);
    assert.throws(() => throttle.assertFree('control'), { retryAfterSeconds: 10 });
  });

  it('asks again within the hour whatever it was told', () => {
    const clock = { now: 0 };
    const throttle = new Throttle('h', () => clock.now);

    throttle.block('control', 86_400, 10_000);

    clock.now = 3_600_000;
    throttle.assertFree('control');
  });

  it('goes on with blobs while manifests are counted out', () => {
    const throttle = new Throttle('h', () => 0);

    throttle.block('control', 60, 10_000);

    throttle.assertFree('blob');
    throttle.block('blob', 60, 10_000);
    assert.throws(() => throttle.assertFree('passed'), { retryAfterSeconds: 60 });
  });

  it('waits for its own credential alone', async () => {
    const signal = AbortSignal.timeout(30_000);
    await using upstream = await startUpstream();
    upstream.addImage('a', '1', []);
    using client = createRegistryClient({
      userAgent: 'portolan/test',
      cache: createMemoryCache(),
      now: Date.now,
    });
    const peerOf = (username: string) => {
      const credential = { username, password: 'secret' };
      const where = { name: username, url: upstream.url, ca: undefined };
      return distributionPeer({ ...where, credential, allowPrivateAddress: true }, client);
    };
    const [one, other] = [peerOf('one'), peerOf('other')];
    upstream.behave({ times: 1 }, { status: 429, headers: { 'retry-after': '60' } });

    await assert.rejects(one.headManifest('a', '1', { signal }), { retryAfterSeconds: 60 });
    await other.headManifest('a', '1', { signal });

    await assert.rejects(one.headManifest('a', '1', { signal }), { name: 'UpstreamThrottled' });
    assert.equal(upstream.requests.length, 2);
  });
});
