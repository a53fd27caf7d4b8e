import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BlobLane } from '../../src/registry/peer.ts';
import type { FillSource } from '../../src/transfer/fill-source.ts';
import { DEFAULT_LIMITS } from '../../src/transfer/limits.ts';
import { Parts } from '../../src/transfer/parts.ts';
import type { WantedBlob } from '../../src/transfer/transfers.ts';
import { readAll } from '../storage/conformance.ts';
import { sourceAt } from './support/source.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  type Layer,
  openWorld,
  REPOSITORY,
  type World,
} from './support/world.ts';

const KIB = 1024;
const signal = AbortSignal.timeout(60_000);
const slow = { partBytes: 64 * KIB, fastBytes: Number.POSITIVE_INFINITY };
const fast = { partBytes: 64 * KIB, fastBytes: 0 };

describe('a large blob that nobody waits for', () => {
  it('comes by several transfers at once where one is slow, and each byte once', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(1024 * KIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 4096 * KIB });

    const most = await mostAtOnce(world, () => bring(world, layer));

    assert.equal(most, 4);
    assert.equal(world.upstream.requests[0]?.headers.range, `bytes=0-${64 * KIB - 1}`);
    assert.equal(world.upstream.sentBytes({ path: BLOBS }), layer.size);
    await assertKept(world, layer);
    await assertNothingLeft(world);
  });

  it('comes by smaller and smaller parts, so that the last ones end together', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(4096 * KIB);

    await bring(world, layer);

    const sizes = world.upstream.requests.map(({ sentBytes }) => sentBytes);
    assert.ok(sizes.length < 30, `${sizes.length} requests`);
    assert.ok((sizes[1] ?? 0) > 400 * KIB);
    assert.ok((sizes.at(-1) ?? 0) <= 64 * KIB);
    await assertKept(world, layer);
  });

  it('comes whole behind its first part where that was fast', async () => {
    await using world = await openWorld(fast);
    const layer = world.layer(1024 * KIB);

    await bring(world, layer);

    assert.deepEqual(
      world.upstream.requests.map(({ headers }) => headers.range),
      [`bytes=0-${64 * KIB - 1}`, `bytes=${64 * KIB}-`],
    );
    await assertKept(world, layer);
  });

  it('comes whole at once where it is not large', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(4 * 64 * KIB - 1);

    await bring(world, layer);

    assert.deepEqual(
      world.upstream.requests.map(({ headers }) => headers.range),
      [undefined],
    );
  });

  for (const sayNoLength of [false, true]) {
    const how = { ignoreRange: true, sayNoLength };
    it(`comes whole, and no byte twice, where upstream gives no ranges (${JSON.stringify(how)})`, async () => {
      await using world = await openWorld(slow);
      const layer = world.layer(1024 * KIB);
      world.upstream.behave({ path: BLOBS }, how);

      await bring(world, layer);

      assert.equal(world.upstream.requests.length, 1);
      assert.equal(world.upstream.sentBytes({ path: BLOBS }), layer.size);
      await assertKept(world, layer);
    });
  }

  it('has one part among the blobs that upstream gives at once, and the others beside them', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(1024 * KIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 4096 * KIB });
    const wanted = wantedFrom(world, layer);
    const lanes: (BlobLane | undefined)[] = [];
    const source: FillSource = {
      ...wanted.source,
      open: (range, options) => {
        lanes.push(options.lane);
        return wanted.source.open(range, options);
      },
    };

    await world.node.transfers.bring({ ...wanted, source }, { signal });

    assert.deepEqual(lanes.slice(0, 5), ['blob', 'blob', 'part', 'part', 'part']);
  });

  it('comes by one transfer after the other where upstream bears no more than one', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(1024 * KIB);
    const pace = { bytesPerSecond: 8192 * KIB };
    world.upstream.behave({ path: BLOBS }, pace);
    world.upstream.behave({ path: BLOBS, times: 3 }, { status: 429 });
    world.upstream.behave({ path: BLOBS, times: 2 }, pace);

    const most = await mostAtOnce(world, () => bring(world, layer), { after: 5 });

    assert.deepEqual(
      world.upstream.requests.slice(0, 6).map(({ status }) => status),
      [206, 206, 429, 429, 429, 206],
    );
    assert.equal(most, 1);
    await assertKept(world, layer);
    await assertNothingLeft(world);
  });

  it('is read meanwhile by who comes to pull it', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(1024 * KIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 4096 * KIB });
    const bringing = bring(world, layer);
    await eventually(() => assert.ok(world.upstream.requests.length > 3));

    await using reader = await world.open(layer);
    const bytes = await readAll(reader, signal);

    assert.ok(bytes.equals(layer.bytes));
    await bringing;
    assert.equal(world.upstream.sentBytes({ path: BLOBS }), layer.size);
  });

  it('goes on after a restart with what is missing, part by part', async () => {
    await using world = await openWorld(slow);
    const layer = world.layer(2048 * KIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 2048 * KIB });
    const stop = new AbortController();
    const stopped = bring(world, layer, stop.signal);
    await eventually(() => assert.ok(world.upstream.sentBytes({ path: BLOBS }) > 600 * KIB));
    stop.abort(new Error('stopped'));
    await assert.rejects(stopped, { message: 'stopped' });
    const node = await world.restart();
    const { source } = wantedFrom(world, layer);
    await node.transfers.resume(async () => ({ source, isAwaited: true }));
    const before = world.upstream.requests.length;
    world.upstream.recover();

    await bring(world, layer);

    const again = world.upstream.requests.slice(before);
    assert.ok(again.length > 1);
    const sent = again.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
    assert.ok(sent < 1700 * KIB, `${sent} bytes again`);
    await assertKept(world, layer);
  });
});

describe('how fast one transfer is', () => {
  it('is told by a whole part, and not by a gap that was smaller', () => {
    const limits = { ...DEFAULT_LIMITS, ...slow };
    const parts = new Parts(1024 * KIB, { ...limits, fastBytes: 64 * KIB, inParts: true });

    parts.ended({ start: 0, position: KIB, answeredAt: 0 }, 0.1);
    assert.deepEqual([parts.most, parts.next(1024 * KIB)], [1, 64 * KIB]);
    parts.ended({ start: 0, position: 64 * KIB, answeredAt: 0 }, 2_000);

    assert.equal(parts.most, 4);
  });
});

function wantedFrom({ upstream }: World, { digest, size }: Layer): WantedBlob {
  const source = sourceAt(upstream, 'library/alpine', { digest, inParts: true });
  return { digest, size, repository: REPOSITORY, source: { ...source, ownership: 'replica' } };
}

async function bring(world: World, layer: Layer, until = signal): Promise<void> {
  await world.node.transfers.bring(wantedFrom(world, layer), { signal: until });
}

/** Requests under way at one time, at the most; of those after so many. */
async function mostAtOnce(
  { upstream }: World,
  work: () => Promise<void>,
  { after = 0 } = {},
): Promise<number> {
  let most = 0;
  const looking = setInterval(() => {
    const running = upstream.requests.slice(after).filter(({ isOver }) => !isOver);
    most = Math.max(most, running.length);
  }, 2);
  try {
    await work();
  } finally {
    clearInterval(looking);
  }
  return most;
}
