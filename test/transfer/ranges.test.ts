import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BlobReader } from '../../src/storage/blob-store.ts';
import { readAll } from '../storage/conformance.ts';
import type { SeenRequest } from '../support/upstream.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  type Layer,
  openWorld,
  type World,
} from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;
const soonBytes = 64 * 1024;
const rangesOf = (requests: readonly SeenRequest[]) => requests.map(({ headers }) => headers.range);

describe('reading parts of a blob that is still arriving', () => {
  it('brings bytes far ahead by a transfer of their own', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(8 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: MIB });
    await using reader = await world.open(layer, { whole: false });
    await reader.read(Buffer.alloc(1), 0, { signal });

    await using far = await world.open(layer, { whole: false });
    const bytes = await readPart(far, { start: 6 * MIB, end: 7 * MIB });

    assert.ok(bytes.equals(layer.bytes.subarray(6 * MIB, 7 * MIB)));
    assert.deepEqual(rangesOf(world.upstream.requests), [undefined, `bytes=${6 * MIB}-`]);
  });

  it('fills the gaps afterwards, each asked for with its end', async () => {
    await using world = await openWorld({ soonBytes, silenceMs: 60 });
    const layer = world.layer(8 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: MIB });
    await using reader = await world.open(layer, { whole: false });
    await readPart(reader, { start: 0, end: MIB });

    await reader.read(Buffer.alloc(1), 6 * MIB, { signal });

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.deepEqual(rangesOf(world.upstream.requests), [
      undefined,
      `bytes=${6 * MIB}-`,
      `bytes=${MIB}-${6 * MIB - 1}`,
    ]);
    assert.equal(world.upstream.sentBytes({ path: BLOBS }), 8 * MIB);
    await assertKept(world, layer);
  });

  it('waits for what a running transfer brings soon', async () => {
    await using world = await openWorld();
    const layer = world.layer(5 * MIB);
    await using reader = await world.open(layer, { whole: false });

    const bytes = await readPart(reader, { start: 3 * MIB, end: 4 * MIB });

    assert.ok(bytes.equals(layer.bytes.subarray(3 * MIB, 4 * MIB)));
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
  });

  it('serves parallel open-ended ranges, each byte fetched once', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(16 * MIB);
    const part = 2 * MIB;
    // Slow enough that sockets hold nothing when a transfer meets what another one brought.
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 24 * MIB });

    const parts = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        await using reader = await world.open(layer, { whole: false });
        return await readPart(reader, { start: index * part, end: (index + 1) * part });
      }),
    );

    assert.ok(Buffer.concat(parts).equals(layer.bytes));
    await assertKept(world, layer);
    await assertNothingLeft(world);
    assertFetchedOnce(world, layer);
  });

  it('runs at most four transfers of one fill at the same time', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(16 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 16 * MIB });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, world.upstream.requests.filter(({ isOver }) => !isOver).length);
    }, 1);

    await using reader = await world.open(layer, { whole: false });
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        reader.read(Buffer.alloc(1), 15 * MIB - index * MIB, { signal }),
      ),
    );
    clearInterval(watch);

    assert.equal(most, 4);
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('ends a transfer that is ahead of everybody for bytes that somebody waits for', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(32 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 8 * MIB });
    await using reader = await world.open(layer, { whole: false });
    for (const mib of [6, 12, 18]) await reader.read(Buffer.alloc(1), mib * MIB, { signal });
    const before = world.upstream.sentBytes({ path: BLOBS });

    await reader.read(Buffer.alloc(1), 24 * MIB, { signal });

    const waitedFor = world.upstream.sentBytes({ path: BLOBS }) - before;
    assert.ok(waitedFor < 6 * MIB, `${waitedFor} other bytes came first`);
    assert.equal(world.upstream.requests.filter(({ isOver }) => !isOver).length, 4);
    world.upstream.recover();
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('hashes what came out of order by reading it back', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(6 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 40 * MIB });
    await using reader = await world.open(layer);
    const far = [5, 3, 1].map((mib) => reader.read(Buffer.alloc(1), mib * MIB, { signal }));

    await Promise.all(far);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('reads the last bytes alone without waiting for the rest', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(8 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: MIB });
    await using reader = await world.open(layer, { whole: false });

    const bytes = await readPart(reader, { start: 8 * MIB - 50, end: 8 * MIB });

    assert.ok(bytes.equals(layer.bytes.subarray(-50)));
  });

  it('makes do with one transfer where upstream ignores ranges', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { ignoreRange: true, bytesPerSecond: 20 * MIB });
    await using reader = await world.open(layer, { whole: false });

    const far = await Promise.all(
      [3, 2, 1].map((mib) => readPart(reader, { start: mib * MIB, end: mib * MIB + 1000 })),
    );

    for (const [index, bytes] of far.entries()) {
      const start = (3 - index) * MIB;
      assert.ok(bytes.equals(layer.bytes.subarray(start, start + 1000)));
    }
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    // One whole transfer, and those that showed that it cannot range.
    const wholes = world.upstream.requests.filter(({ sentBytes }) => sentBytes === layer.size);
    assert.equal(wholes.length, 1);
    assert.ok(world.upstream.count({ path: BLOBS }) <= 4);
    await assertKept(world, layer);
  });

  it('goes on with one transfer where upstream bears no second one', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { status: 429 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { bytesPerSecond: 20 * MIB });
    await using reader = await world.open(layer, { whole: false });

    const bytes = await readPart(reader, { start: 3 * MIB, end: 3 * MIB + 1000 });

    assert.ok(bytes.equals(layer.bytes.subarray(3 * MIB, 3 * MIB + 1000)));
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 2);
    await assertKept(world, layer);
  });

  it('brings the rest also when everybody has what they wanted', async () => {
    await using world = await openWorld({ soonBytes });
    const layer = world.layer(4 * MIB);
    const reader = await world.open(layer, { whole: false });
    await readPart(reader, { start: 3 * MIB, end: 3 * MIB + 10 });
    await reader[Symbol.asyncDispose]();

    await assertKept(world, layer);
    await eventually(() => assertNothingLeft(world));
  });
});

async function readPart(
  reader: BlobReader,
  { start, end }: { start: number; end: number },
): Promise<Buffer> {
  const bytes = Buffer.alloc(end - start);
  for (let position = start; position < end; ) {
    const into = bytes.subarray(position - start);
    position += await reader.read(into, position, { signal });
  }
  return bytes;
}

/** Besides what lay in sockets when a transfer was stopped: at most so much for each. */
function assertFetchedOnce({ upstream }: World, layer: Layer): void {
  const requests = upstream.seen({ path: BLOBS });
  const slack = (requests.length - 1) * 2 * MIB;
  const sent = upstream.sentBytes({ path: BLOBS });
  assert.ok(sent <= layer.size + slack, `${sent} bytes of ${layer.size} left upstream`);
}
