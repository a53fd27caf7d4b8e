import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { readWhole } from '../../src/registry/body.ts';
import type { BlobLane } from '../../src/registry/peer.ts';
import {
  type AheadBlob,
  ReadAhead,
  type ReadAheadLimits,
} from '../../src/replication/read-ahead.ts';
import { until } from '../support/until.ts';
import { type Behaviour, startUpstream } from '../support/upstream.ts';
import { sourceAt } from '../transfer/support/source.ts';

const KIB = 1024;
const PART = 64 * KIB;
const BLOBS = { path: /\/blobs\// };
const { signal } = new AbortController();

describe('a large blob on its way between two registries', () => {
  it('comes by several ranges at once where one is slow, in order, and each byte once', async () => {
    await using world = await openWorld({}, { bytesPerSecond: 4096 * KIB });

    const bytes = await world.read();

    assert.ok(bytes.equals(world.bytes));
    assert.equal(world.most(), 4);
    assert.equal(world.upstream.sentBytes(BLOBS), world.bytes.length);
  });

  it('goes on from the middle, where a push does', async () => {
    await using world = await openWorld();

    const bytes = await world.read(100_000);

    assert.ok(bytes.equals(world.bytes.subarray(100_000)));
    assert.equal(world.ranges()[0], `bytes=100000-${100_000 + PART - 1}`);
  });

  it('comes by one behind its first part where that was fast', async () => {
    await using world = await openWorld({ fastBytes: 0 });

    const bytes = await world.read();

    assert.ok(bytes.equals(world.bytes));
    assert.deepEqual(world.ranges(), [`bytes=0-${PART - 1}`, `bytes=${PART}-`]);
  });

  it('comes by one where it is not large', async () => {
    await using world = await openWorld({ largeBytes: 10_000 * KIB });

    assert.ok((await world.read()).equals(world.bytes));

    assert.deepEqual(world.ranges(), [undefined]);
  });

  it('comes by one, and no byte twice, from a registry that gives no ranges', async () => {
    await using world = await openWorld({}, { ignoreRange: true });

    assert.ok((await world.read()).equals(world.bytes));

    assert.equal(world.upstream.sentBytes(BLOBS), world.bytes.length);
  });

  it('comes by one, too, from one that gives no ranges and says no length', async () => {
    await using world = await openWorld({}, { ignoreRange: true, sayNoLength: true });

    assert.ok((await world.read()).equals(world.bytes));

    assert.equal(world.upstream.requests.length, 1);
  });

  for (const { name, how } of [
    { name: 'answers 429 to', how: { status: 429 } },
    { name: 'breaks off', how: { cutAfter: KIB } },
    { name: 'gives all of the blob for', how: { ignoreRange: true } },
  ]) {
    it(`comes by one from where a registry ${name} one of several`, async () => {
      await using world = await openWorld();
      const pace = { bytesPerSecond: 8192 * KIB };
      world.upstream.behave({ ...BLOBS, times: 1 }, how);
      world.upstream.behave({ ...BLOBS, times: 2 }, pace);

      assert.ok((await world.read()).equals(world.bytes));

      assert.equal(world.ranges().at(-1), `bytes=${2 * PART}-`);
    });
  }

  it('has one part among the blobs that the registry gives at once, and the others beside them', async () => {
    await using world = await openWorld();

    await world.read();

    const [first, second, ...others] = world.lanes;
    assert.deepEqual([first, second], [undefined, 'blob']);
    assert.deepEqual(others.slice(0, 3), ['part', 'part', 'part']);
  });

  it('comes part after part where those of others have the memory', async () => {
    const limits = { waitingBytes: PART - 1 };
    await using world = await openWorld(limits, { bytesPerSecond: 8192 * KIB });

    assert.ok((await world.read()).equals(world.bytes));

    assert.equal(world.most(), 1);
  });

  it('gives the memory back, whether it came whole or not', async () => {
    const limits = { waitingBytes: 3 * PART };
    await using world = await openWorld(limits, { bytesPerSecond: 4096 * KIB });
    await world.read();
    world.upstream.behave(BLOBS, { bytesPerSecond: 4096 * KIB, cutAfter: KIB });
    world.upstream.behave({ ...BLOBS, times: 2 }, { bytesPerSecond: 4096 * KIB });
    await assert.rejects(world.read());
    world.upstream.recover();
    world.upstream.behave(BLOBS, { bytesPerSecond: 4096 * KIB });
    const before = world.lanes.length;

    assert.ok((await world.read()).equals(world.bytes));

    assert.equal(world.most(before), 4);
  });

  it('ends all its transfers when nobody reads it any more', async () => {
    await using world = await openWorld({}, { bytesPerSecond: 256 * KIB });
    const content = await world.open();
    content.resume();
    await until(() => world.upstream.requests.length === 5);

    content.destroy();
    await once(content, 'close');

    await until(() => world.upstream.requests.every(({ isOver }) => isOver));
    assert.equal(world.upstream.requests.length, 5);
  });
});

async function openWorld(limits: Partial<ReadAheadLimits> = {}, how: Behaviour = {}) {
  const upstream = await startUpstream();
  const bytes = randomBytes(1024 * KIB);
  const { digest, size } = upstream.addBlob('library/app', bytes);
  const readAhead = new ReadAhead({
    largeBytes: 256 * KIB,
    partBytes: PART,
    fastBytes: Number.POSITIVE_INFINITY,
    ...limits,
  });
  const source = sourceAt(upstream, 'library/app', { digest });
  const lanes: (BlobLane | undefined)[] = [];
  const underWay = new Set<object>();
  const atOnce: number[] = [];
  const open: AheadBlob['open'] = async (range, options) => {
    lanes.push(options.lane);
    const part = {};
    underWay.add(part);
    atOnce.push(underWay.size);
    const end = (): void => void underWay.delete(part);
    try {
      const opened = await source.open(range, options);
      opened.content.once('end', end).once('close', end);
      return opened;
    } catch (error) {
      end();
      throw error;
    }
  };
  const blob = { host: upstream.host, size, open };
  upstream.behave(BLOBS, how);
  return {
    upstream,
    bytes,
    lanes,
    open: (start = 0) => readAhead.read(blob, start, { signal }),
    read: async (start = 0) => readWhole(await readAhead.read(blob, start, { signal }), size),
    ranges: () => upstream.requests.map(({ headers }) => headers.range),
    /** Parts under way at one time, of those that were asked for after so many. */
    most: (after = 0) => Math.max(...atOnce.slice(after)),
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  };
}
