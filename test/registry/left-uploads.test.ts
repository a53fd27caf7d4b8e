import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLeftUploads } from '../../src/registry/left-uploads.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { until } from '../support/until.ts';
import { BLOB, BYTES, LIMITS, MIB, PUT, signal, world } from './support/pushes.ts';

describe('a push that was left', () => {
  it('goes on at the next push of it where the last one was given up', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: 3 * MIB });
    // It is down meanwhile.
    push.upstream.behave({ method: 'GET', path: /uploads/ }, { reset: true });
    await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });

    push.upstream.recover();
    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    const taken = push.upstream.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    assert.equal(taken, BYTES.length);
    assert.equal(push.upstream.count({ method: 'POST' }), 1);
  });

  it('goes on where another process left it, be it killed or told to stop', async () => {
    const leftUploads = createLeftUploads();
    await using push = await world({}, { leftUploads });
    push.upstream.behave({ ...PUT, times: 1 }, { ignoreBodyAfter: 3 * MIB });
    const stop = new AbortController();
    const stopped = push.run(undefined, stop.signal);
    await until(() => (push.upstream.seen(PUT)[0]?.receivedBytes ?? 0) >= 3 * MIB);
    const name = { registry: push.upstream.url.href, repository: 'team/app', digest: BLOB.digest };
    assert.ok(await leftUploads.find(name), 'before it ends');
    stop.abort(new Error('told to stop'));
    await assert.rejects(stopped, { message: 'told to stop' });
    using other = connectPeer({ url: push.upstream.url, limits: LIMITS, leftUploads });

    await other.peer.pushBlob('team/app', BLOB, opening(BYTES), { signal });

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    const taken = push.upstream.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
    assert.equal(taken, BYTES.length);
    assert.equal(await leftUploads.find(name), undefined);
  });

  it('leaves another push of the same blob alone that runs at the time', async () => {
    await using push = await world();
    push.upstream.behave(PUT, { bytesPerSecond: 64 * MIB });

    await Promise.all([push.run(), push.run(), push.run()]);

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.equal(push.upstream.count({ method: 'POST' }), 3);
  });

  it('is cancelled where it is small, and told to stop', async () => {
    await using push = await world({}, { limits: { ...LIMITS, chunkBytes: 32 * MIB } });
    push.upstream.behave({ ...PUT, times: 1 }, { ignoreBodyAfter: 3 * MIB });
    const stop = new AbortController();
    const stopped = push.run(undefined, stop.signal);
    await until(() => (push.upstream.seen(PUT)[0]?.receivedBytes ?? 0) >= 3 * MIB);

    stop.abort(new Error('told to stop'));
    await assert.rejects(stopped, { message: 'told to stop' });

    await until(() => push.upstream.count({ method: 'DELETE' }) === 1);
  });

  it('is over at the next push where only the answer was lost', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBeforeAnswer: true });
    push.upstream.behave({ method: 'GET', path: /uploads/ }, { reset: true });
    await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });

    push.upstream.recover();
    await push.run();

    assert.deepEqual(push.opened, [0]);
  });

  it('begins anew at the next push where the registry has forgotten the last one', async () => {
    await using push = await world();
    push.upstream.behave({ ...PUT, times: 1 }, { resetBodyAfter: 3 * MIB });
    push.upstream.behave({ method: 'GET', path: /uploads/ }, { reset: true });
    await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });

    push.upstream.recover();
    push.upstream.uploads.forgetAll();
    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual(push.opened, [0, 0]);
  });
});
