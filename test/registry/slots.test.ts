import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { HostSlots } from '../../src/registry/slots.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { until } from '../support/until.ts';
import { startUpstream } from '../support/upstream.ts';

const ONE = { control: 1, blob: 1, part: 1, passed: 1, push: 1 };
const signal = AbortSignal.timeout(30_000);

describe('slots of a host', () => {
  it('go to so many at once, the others in turn', async () => {
    const slots = new HostSlots(ONE);
    const order: number[] = [];

    const first = await slots.acquire('h', 'control', { signal });
    const waiting = [1, 2].map(async (n) => {
      using slot = await slots.acquire('h', 'control', { signal });
      assert.ok(slot);
      order.push(n);
    });
    const elsewhere = await slots.acquire('other', 'control', { signal });
    const lane = await slots.acquire('h', 'blob', { signal });
    assert.deepEqual(order, []);
    for (const slot of [first, elsewhere, lane]) slot[Symbol.dispose]();
    await Promise.all(waiting);

    assert.deepEqual(order, [1, 2]);
  });

  it('are left to other blobs by the parts of one', async () => {
    const slots = new HostSlots(ONE);

    using part = await slots.acquire('h', 'part', { signal });
    using blob = await slots.acquire('h', 'blob', { signal });

    assert.ok(part && blob);
  });

  it('are not kept for whoever leaves the queue', async () => {
    const slots = new HostSlots(ONE);
    const first = await slots.acquire('h', 'control', { signal });
    const controller = new AbortController();

    const leaving = slots.acquire('h', 'control', { signal: controller.signal });
    controller.abort(new Error('gone'));

    await assert.rejects(leaving, { message: 'gone' });
    first[Symbol.dispose]();
    const next = await slots.acquire('h', 'control', { signal });
    next[Symbol.dispose]();
  });

  it('make only so many wait', async () => {
    const slots = new HostSlots(ONE, { waiting: 1 });
    const first = await slots.acquire('h', 'control', { signal });
    const controller = new AbortController();
    const waiting = slots.acquire('h', 'control', { signal: controller.signal });

    await assert.rejects(slots.acquire('h', 'control', { signal }), { reason: 'busy', host: 'h' });
    (await slots.acquire('h', 'blob', { signal }))[Symbol.dispose]();
    controller.abort(new Error('gone'));
    await assert.rejects(waiting, { message: 'gone' });

    const next = slots.acquire('h', 'control', { signal });
    first[Symbol.dispose]();
    (await next)[Symbol.dispose]();
  });

  it('are left by whom nobody waits for, but only while they wait', async () => {
    const slots = new HostSlots(ONE);
    const controller = new AbortController();
    const { signal: abandoned } = controller;
    const held = await slots.acquire('h', 'control', { signal, abandoned });
    const waiting = slots.acquire('h', 'control', { signal, abandoned });

    controller.abort(new Error('abandoned'));

    await assert.rejects(waiting, { message: 'abandoned' });
    held[Symbol.dispose]();
    (await slots.acquire('h', 'control', { signal }))[Symbol.dispose]();
  });

  it('stay taken when the holder’s signal aborts, until they are given back', async () => {
    const slots = new HostSlots(ONE);
    const controller = new AbortController();
    const held = await slots.acquire('h', 'control', { signal: controller.signal });

    controller.abort();
    let isFree = false;
    const next = slots.acquire('h', 'control', { signal }).then((slot) => {
      isFree = true;
      return slot;
    });
    await new Promise(setImmediate);
    assert.ok(!isFree);
    held[Symbol.dispose]();

    (await next)[Symbol.dispose]();
  });

  it('let manifests pass however many blobs are held up', async () => {
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage('a', '1', [Buffer.alloc(2 ** 20)]);
    const digest = layers[0]?.digest;
    assert.ok(digest);
    upstream.behave({ path: /blobs/ }, { stallAfter: 1 });
    using connected = connectPeer({ url: upstream.url, limits: { blobSlots: 2, controlSlots: 1 } });

    const parts = await Promise.all([1, 2].map(() => connected.peer.blob('a', digest, { signal })));
    const third = connected.peer.blob('a', digest, { signal });
    await connected.peer.manifest('a', '1', { signal });
    assert.equal(upstream.count({ path: /blobs/ }), 2);
    parts[0]?.content.destroy();
    const { content } = await third;

    content.destroy();
    await until(() => upstream.count({ path: /blobs/ }) === 3);
  });

  it('come back after every answer, good or bad', async () => {
    await using upstream = await startUpstream();
    const { layers } = upstream.addImage('a', '1', [Buffer.from('layer')]);
    const digest = layers[0]?.digest;
    assert.ok(digest);
    const limits = { blobSlots: 1, controlSlots: 1, breakerFailures: 99 };
    using connected = connectPeer({ url: upstream.url, limits });
    const { peer } = connected;

    for (const how of [{ status: 404 }, { status: 403 }, { status: 500 }, { cutAfter: 1 }, {}]) {
      upstream.behave({}, how);
      await peer.manifest('a', '1', { signal }).catch(() => {});
      await peer
        .blob('a', digest, { signal })
        .then(({ content }) => buffer(content))
        .catch(() => {});
    }
    upstream.recover();

    await peer.manifest('a', '1', { signal });
    assert.equal(
      (await buffer((await peer.blob('a', digest, { signal })).content)).toString(),
      'layer',
    );
  });
});
