import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe, it } from 'node:test';
import type { BlobReader } from '../../src/storage/blob-store.ts';
import { fillFinished, fillJoined, fillStarted } from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import { sourceAt } from './support/source.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  heard,
  openWorld,
  REPOSITORY,
} from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;
const LAST = 64 * 1024;

describe('following a fill', () => {
  for (const size of [0, 1, LAST, LAST + 1, 5 * MIB]) {
    it(`brings ${size} bytes, keeps them, and leaves nothing else`, async () => {
      await using world = await openWorld();
      const layer = world.layer(size);

      await using reader = await world.open(layer);
      const read = await readAll(reader, signal);
      await reader[Symbol.asyncDispose]();

      assert.deepEqual(read, layer.bytes);
      await assertKept(world, layer);
      await assertNothingLeft(world);
      assert.ok(world.upstream.sentBytes({ path: BLOBS }) <= size);
    });
  }

  it('hands out the first bytes while the rest is still upstream', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 100_000 });

    await using reader = await world.open(layer);
    const into = Buffer.alloc(100_000);
    for (let position = 0; position < 100_000; ) {
      position += await reader.read(into.subarray(position), position, { signal });
    }

    assert.deepEqual(into, layer.bytes.subarray(0, 100_000));
  });

  it('serves who comes late from the first byte on, at once', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 500_000 });
    await using first = await world.open(layer);
    await first.read(Buffer.alloc(1), 499_999, { signal });

    await using late = await world.open(layer);
    const into = Buffer.alloc(500_000);
    const length = await late.read(into, 0, { signal });

    assert.equal(length, 500_000);
    assert.deepEqual(into, layer.bytes.subarray(0, 500_000));
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
  });

  it('asks upstream once for 50 readers, and each has all bytes', async () => {
    await using world = await openWorld();
    const layer = world.layer(8 * MIB);
    using started = heard(fillStarted);
    using joined = heard(fillJoined);
    using finished = heard(fillFinished);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 40 * MIB });

    const copies = await Promise.all(
      Array.from({ length: 50 }, async () => {
        await using reader = await world.open(layer);
        return await readAll(reader, signal);
      }),
    );

    for (const copy of copies) assert.ok(copy.equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
    assert.equal(world.upstream.sentBytes({ path: BLOBS }), layer.size);
    await assertKept(world, layer);
    await assertNothingLeft(world);
    assert.deepEqual(
      [started.facts.length, joined.facts.length, finished.facts.length],
      [1, 49, 1],
    );
    assert.equal(finished.facts[0]?.size, layer.size);
  });

  it('does not wait for a reader that is slow', async () => {
    await using world = await openWorld();
    const layer = world.layer(8 * MIB);
    await using slow = await world.open(layer);
    await slow.read(Buffer.alloc(1), 0, { signal });

    await using quick = await world.open(layer);
    const read = await readAll(quick, signal);

    assert.ok(read.equals(layer.bytes));
    await assertKept(world, layer);
    assert.ok((await readAll(slow, signal)).equals(layer.bytes));
  });

  it('lets readers of a blob that is kept meanwhile go on without interruption', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    const reader = await world.open(layer);
    await assertKept(world, layer);

    await world.node.store.remove(layer.digest);
    const read = await readAll(reader, signal);
    await reader[Symbol.asyncDispose]();

    assert.ok(read.equals(layer.bytes));
    await assertNothingLeft(world);
  });

  it('answers from storage once the blob is kept', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    await using first = await world.open(layer);
    await readAll(first, signal);
    await assertKept(world, layer);

    await using second = await world.open(layer);

    assert.ok((await readAll(second, signal)).equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
  });

  it('fetches a blob again whose file was lost', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    await using first = await world.open(layer);
    await readAll(first, signal);
    await assertKept(world, layer);
    await world.node.store.remove(layer.digest);

    await using second = await world.open(layer);

    assert.ok((await readAll(second, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('keeps the last 64 KiB from readers of the whole blob until the digest agreed', async () => {
    await using world = await openWorld({ silenceMs: 50 });
    const layer = world.layer(MIB);
    // All bytes but the very last one, at first: the digest cannot be known.
    const rest = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS }, { hold: rest.promise });
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: MIB - 1 });
    await using whole = await world.open(layer);
    await using fromFirst = await world.open(layer, { whole: false });
    await using part = await world.open(layer, { whole: false });

    const readable = await readTo(whole, MIB - LAST);
    assert.equal(await readTo(fromFirst, MIB - LAST), MIB - LAST);
    const last = [whole, fromFirst].map((reader) =>
      reader.read(Buffer.alloc(LAST), MIB - LAST, { signal }),
    );
    const quick = await Promise.race([
      ...last,
      part.read(Buffer.alloc(LAST), MIB - LAST, { signal }),
    ]);
    rest.resolve();

    assert.equal(readable, MIB - LAST);
    assert.equal(quick, LAST - 1);
    assert.deepEqual(await Promise.all(last), [LAST, LAST]);
  });

  it('ends a wait for bytes when its owner goes away, and the others go on', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    const rest = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS }, { hold: rest.promise });
    const gone = new AbortController();
    const opening = world.open(layer, { signal: gone.signal });
    const other = world.open(layer);
    await eventually(() => assert.equal(world.upstream.count({ path: BLOBS }), 1));

    gone.abort(new Error('client went away'));
    await assert.rejects(opening, /client went away/);
    rest.resolve();
    await using reader = await other;

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });

  it('ends a read when its owner goes away', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 1000 });
    await using reader = await world.open(layer);
    const gone = new AbortController();
    const reading = reader.read(Buffer.alloc(10), 5000, { signal: gone.signal });

    gone.abort(new Error('client went away'));

    await assert.rejects(reading, /client went away/);
    await assert.rejects(
      reader.read(Buffer.alloc(10), 0, { signal: gone.signal }),
      /client went away/,
    );
  });

  it('refuses reads after its reader was disposed', async () => {
    await using world = await openWorld();
    const reader = await world.open(world.layer(10));
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();

    await assert.rejects(reader.read(Buffer.alloc(1), 0, { signal }), /disposed/);
  });

  it('leaves the connection of a blob that ended to the next one', async () => {
    await using world = await openWorld();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    using cleanup = new DisposableStack();
    cleanup.defer(() => agent.destroy());
    let returned = 0;
    agent.on('free', () => {
      returned += 1;
    });
    for (const size of [10, 100_000, 3 * MIB]) {
      const layer = world.layer(size);
      const source = sourceAt(world.upstream, 'library/alpine', { ...layer, agent });
      const wanted = { ...layer, repository: REPOSITORY, source };
      await using reader = await world.node.transfers.open(wanted, { whole: true });
      await readAll(reader, signal);
    }

    await eventually(() => assert.equal(returned, 3));
  });

  it('keeps the blob for the repository that asked', async () => {
    await using world = await openWorld();
    const layer = world.layer(1000);
    await using reader = await world.open(layer);
    await readAll(reader, signal);

    await assertKept(world, layer, REPOSITORY);
    assert.equal(await world.node.blobs.find('docker.io/library/other', layer.digest), undefined);
  });
});

/** Reads from the start up to `end`. */
async function readTo(reader: BlobReader, end: number): Promise<number> {
  const into = Buffer.alloc(256 * 1024);
  let position = 0;
  while (position < end) {
    const wanted = into.subarray(0, Math.min(into.length, end - position));
    position += await reader.read(wanted, position, { signal });
  }
  return position;
}
