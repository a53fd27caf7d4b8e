import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  fillAborted,
  fillInterrupted,
  fillParked,
  fillResumed,
} from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import type { Behaviour } from '../support/upstream.ts';
import {
  assertKept,
  assertNothingLeft,
  assertNotKept,
  BLOBS,
  eventually,
  heard,
  openWorld,
} from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;
const ranges = ({ headers }: { headers: { range?: string | undefined } }) => headers.range;

describe('a fill whose upstream breaks off', () => {
  const breaks: { name: string; how: Behaviour }[] = [
    { name: 'closes the connection', how: { cutAfter: 400_000 } },
    { name: 'resets the connection', how: { resetAfter: 400_000 } },
    { name: 'falls silent', how: { stallAfter: 400_000 } },
    {
      name: 'ends its answer early, without a length',
      how: { shorterBy: 600_000, sayNoLength: true },
    },
  ];
  for (const { name, how } of breaks) {
    it(`goes on from the byte where it ${name}, and nobody notices`, async () => {
      await using world = await openWorld({ silenceMs: 60 });
      const layer = world.layer(MIB);
      using interrupted = heard(fillInterrupted);
      world.upstream.behave({ path: BLOBS, times: 1 }, how);

      await using reader = await world.open(layer);
      const read = await readAll(reader, signal);
      await reader[Symbol.asyncDispose]();

      assert.ok(read.equals(layer.bytes));
      const [first, second] = world.upstream.requests;
      assert.equal(first?.headers.range, undefined);
      const from = Number(/^bytes=(\d+)-$/.exec(second?.headers.range ?? '')?.[1]);
      assert.ok(from > 0 && from <= (first?.sentBytes ?? 0));
      assert.equal(second?.sentBytes, MIB - from);
      assert.equal(interrupted.facts[0]?.receivedBytes, from);
      await assertKept(world, layer);
      await assertNothingLeft(world);
    });
  }

  it('skips what it has when upstream ignores the range', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { ignoreRange: true });
    world.upstream.behave({ path: BLOBS, times: 2 }, { ignoreRange: true, cutAfter: 700_000 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });

    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 4);
    await assertKept(world, layer);
  });

  it('survives many breaks, as long as bytes come between them', async () => {
    await using world = await openWorld({ attempts: 3 });
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { cutAfter: 50_000 });

    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('waits as long as a throttling upstream asks for', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave(
      { path: BLOBS, times: 1 },
      { status: 429, headers: { 'retry-after': '1' } },
    );
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    const startedAt = performance.now();

    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.ok(performance.now() - startedAt >= 1000);
  });

  it('gives up after so many breaks without a byte, and tells its readers why', async () => {
    await using world = await openWorld({ attempts: 3 });
    const layer = world.layer(MIB);
    using parked = heard(fillParked);
    world.upstream.behave({ path: BLOBS }, { status: 503 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    await using reader = await world.open(layer);
    await using ahead = await world.open(layer);

    const lost = ahead.read(Buffer.alloc(10), MIB - 10, { signal });
    await assert.rejects(readAll(reader, signal), {
      name: 'UpstreamUnavailable',
      reason: 'server-error',
    });
    await assert.rejects(lost, { name: 'UpstreamUnavailable' });

    assert.equal(parked.facts.length, 1);
    assert.equal(world.upstream.count({ path: BLOBS }), 3);
    await assertNotKept(world, layer);
  });

  it('keeps what arrived for the next who asks, who goes on from there', async () => {
    await using world = await openWorld({ attempts: 2 });
    const layer = world.layer(MIB);
    using resumed = heard(fillResumed);
    world.upstream.behave({ path: BLOBS }, { status: 503 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    const first = await world.open(layer);
    await assert.rejects(readAll(first, signal));
    const into = Buffer.alloc(1000);
    assert.equal(await first.read(into, 100_000, { signal }), 1000);
    await first[Symbol.asyncDispose]();
    const [row] = await world.node.fills.list();
    const [[, arrived] = [0, 0]] = row?.intervals ?? [];
    assert.ok(arrived > 0 && arrived <= 300_000);

    world.upstream.recover();
    const second = await world.open(layer);
    const read = await readAll(second, signal);
    await second[Symbol.asyncDispose]();

    assert.ok(read.equals(layer.bytes));
    assert.equal(world.upstream.seen({ path: BLOBS }).map(ranges).at(-1), `bytes=${arrived}-`);
    assert.equal(resumed.facts[0]?.receivedBytes, arrived);
    await assertKept(world, layer);
    await assertNothingLeft(world);
  });

  it('lets readers that are behind go on when somebody else set it going again', async () => {
    await using world = await openWorld({ attempts: 2 });
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { status: 503 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    await using slow = await world.open(layer);
    await using quick = await world.open(layer);
    await assert.rejects(readAll(quick, signal));

    world.upstream.recover();
    await using next = await world.open(layer);

    assert.ok((await readAll(slow, signal)).equals(layer.bytes));
    assert.ok((await readAll(next, signal)).equals(layer.bytes));
  });

  it('does not ask again for what waiting does not mend', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { status: 404 });
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    await using reader = await world.open(layer);

    await assert.rejects(readAll(reader, signal), { code: 'BLOB_UNKNOWN' });

    assert.equal(world.upstream.count({ path: BLOBS }), 2);
  });
});

describe('an upstream that refuses before the first byte', () => {
  const refusals = [
    { status: 404, error: { code: 'BLOB_UNKNOWN' } },
    { status: 429, error: { name: 'UpstreamThrottled' } },
    { status: 503, error: { name: 'UpstreamUnavailable', reason: 'server-error' } },
  ];
  for (const { status, error } of refusals) {
    it(`is heard as it is by everybody who waits (${status}), and nothing is left`, async () => {
      await using world = await openWorld();
      const layer = world.layer(MIB);
      using aborted = heard(fillAborted);
      const answer = Promise.withResolvers<void>();
      world.upstream.behave({ path: BLOBS }, { status, hold: answer.promise });
      const asking = Array.from({ length: 5 }, () => world.open(layer));
      const outcomes = Promise.allSettled(asking);
      await eventually(() => assert.equal(world.upstream.count({ path: BLOBS }), 1));

      answer.resolve();

      for (const outcome of await outcomes) assert.equal(outcome.status, 'rejected');
      await assert.rejects(asking[4] ?? Promise.resolve(), error);
      assert.equal(world.upstream.count({ path: BLOBS }), 1);
      assert.deepEqual(aborted.facts, []);
      await assertNothingLeft(world);
    });
  }

  it('is asked anew by the next', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { status: 503 });
    await assert.rejects(world.open(layer));

    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });
});
