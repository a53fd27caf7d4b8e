import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLeftUploads, type LeftUploads } from '../../src/registry/left-uploads.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { until } from '../support/until.ts';
import { type Behaviour, startUpstream, type Upstream } from '../support/upstream.ts';
import { BLOB, BYTES, LIMITS, MIB, PUT, type PushWorld, signal, world } from './support/pushes.ts';

const broken = () => Promise.reject(new Error('the disk is full'));

describe('a push that was left', () => {
  it('goes on at the next push of it where the last one was given up', async () => {
    await using push = await world();
    await leaveAt(push, { resetBodyAfter: 3 * MIB });

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
    const name = nameAt(push.upstream);
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
    await leaveAt(push, { resetBeforeAnswer: true });

    push.upstream.recover();
    await push.run();

    assert.deepEqual(push.opened, [0]);
  });

  it('begins anew at the next push where the registry has forgotten the last one', async () => {
    await using push = await world();
    await leaveAt(push, { resetBodyAfter: 3 * MIB });

    push.upstream.recover();
    push.upstream.uploads.forgetAll();
    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual(push.opened, [0, 0]);
  });

  it('stays as old as it is while pushes of it fail, and moves on with every chunk', async () => {
    const told: string[] = [];
    const leftUploads = tellingOf(createLeftUploads(), told);
    const limits = { ...LIMITS, breakerFailures: 100 };
    await using push = await world({}, { leftUploads, limits });
    await leaveAt(push, { resetBodyAfter: 3 * MIB });
    push.upstream.behave({ method: 'HEAD' }, { status: 503 });
    await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });
    assert.deepEqual([...new Set(told)], ['find', 'keep', 'moved']);
    assert.equal(told.filter((call) => call === 'keep').length, 1);
    told.length = 0;

    push.upstream.recover();
    await push.run();

    assert.deepEqual(told, ['find', 'moved', 'moved', 'moved', 'forget']);
  });

  for (const { name, how } of [
    { name: 'answers 500', how: { status: 500 } },
    { name: 'answers 401', how: { status: 401 } },
    { name: 'answers 403', how: { status: 403 } },
    { name: 'answers 404', how: { status: 404 } },
    { name: 'says nothing', how: { reset: true } },
  ]) {
    it(`is not gone on with where its session ${name}, and the registry is well`, async () => {
      const leftUploads = createLeftUploads();
      await using push = await world({}, { leftUploads });
      await leftUploads.keep(nameAt(push.upstream), sessionAt(push.upstream.url));
      push.upstream.behave({ method: 'GET', path: /uploads\/left/ }, how);

      await push.run();

      assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
      assert.equal(await leftUploads.find(nameAt(push.upstream)), undefined);
    });
  }

  it('is not gone on with where its session was on a host that is gone', async () => {
    const leftUploads = createLeftUploads();
    await using push = await world({}, { leftUploads });
    const gone = await startUpstream();
    await gone[Symbol.asyncDispose]();
    await leftUploads.keep(nameAt(push.upstream), sessionAt(gone.url));

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
  });

  it('waits for a registry that is down', async () => {
    const leftUploads = createLeftUploads();
    await using push = await world({}, { leftUploads });
    await leftUploads.keep(nameAt(push.upstream), sessionAt(push.upstream.url));
    push.upstream.behave({}, { status: 503 });

    await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });

    assert.ok(await leftUploads.find(nameAt(push.upstream)));
  });

  it('is nothing that another endpoint of the same registry takes while it runs', async () => {
    await using push = await world({}, { leftUploads: createLeftUploads() });
    const { upstream, client } = push;
    const { peer } = connectPeer({ url: upstream.url, client });
    upstream.behave({ ...PUT, times: 1 }, { bytesPerSecond: 8 * MIB });
    const one = push.run();
    await until(() => (upstream.seen(PUT)[0]?.receivedBytes ?? 0) > 0);

    await peer.pushBlob('team/app', BLOB, opening(BYTES), { signal });
    await one;

    assert.equal(upstream.count({ method: 'POST' }), 2);
  });

  it('costs the push nothing where it cannot be written down', async () => {
    const leftUploads = { find: broken, keep: broken, moved: broken, forget: broken };
    await using push = await world({}, { leftUploads });
    const told: string[] = [];
    using _ = maintenanceFailed.subscribe(({ work }) => told.push(work));

    await push.run();

    assert.deepEqual(push.upstream.blobIn('team/app', BLOB.digest), BYTES);
    assert.deepEqual([...new Set(told)], ['uploads that are not done']);
  });
});

/** Breaks off so, and is given up since the registry does not say how far it is. */
async function leaveAt(push: PushWorld, how: Behaviour): Promise<void> {
  push.upstream.behave({ ...PUT, times: 1 }, how);
  push.upstream.behave({ method: 'GET', path: /uploads/ }, { reset: true });
  await assert.rejects(push.run(), { name: 'UpstreamUnavailable' });
}

const nameAt = ({ url }: Pick<Upstream, 'url'>) => ({
  registry: url.href,
  repository: 'team/app',
  digest: BLOB.digest,
});

const sessionAt = (url: URL) => ({
  url: new URL('v2/team/app/blobs/uploads/left', url).href,
  leastChunkBytes: 0,
});

function tellingOf(uploads: LeftUploads, told: string[]): LeftUploads {
  return {
    find: (name) => (told.push('find'), uploads.find(name)),
    keep: (name, upload) => (told.push('keep'), uploads.keep(name, upload)),
    moved: (name, url) => (told.push('moved'), uploads.moved(name, url)),
    forget: (name) => (told.push('forget'), uploads.forget(name)),
  };
}
