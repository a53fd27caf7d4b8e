import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { UpstreamInvalid } from '../../src/registry/errors.ts';
import { fillAborted } from '../../src/telemetry/channels.ts';
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

describe('an upstream that lies', () => {
  const lies: { name: string; how: Behaviour; said?: number }[] = [
    { name: 'has other bytes', how: { corrupt: true } },
    { name: 'has less, and says so', how: { shorterBy: 10 } },
    { name: 'has more than the manifest says', how: {}, said: MIB - 10 },
    { name: 'has more, and does not say how much', how: { sayNoLength: true }, said: MIB - 10 },
    { name: 'has less than the manifest says', how: {}, said: MIB + 10 },
  ];
  for (const { name, how, said } of lies) {
    it(`fails every reader of the whole blob before its end, if it ${name}, and keeps nothing`, async () => {
      await using world = await openWorld();
      const layer = world.layer(MIB);
      using aborted = heard(fillAborted);
      world.upstream.behave({ path: BLOBS }, how);

      const outcomes = await Promise.allSettled(
        Array.from({ length: 3 }, async () => {
          await using reader = await world.open(layer, said === undefined ? {} : { size: said });
          return await readAll(reader, signal);
        }),
      );

      for (const outcome of outcomes) {
        assert.ok(outcome.status === 'rejected');
        assert.ok(outcome.reason instanceof UpstreamInvalid, String(outcome.reason));
        assert.equal(outcome.reason.host, world.upstream.host);
      }
      await assertNothingLeft(world);
      await assertNotKept(world, layer);
      assert.ok(aborted.facts.every(({ error }) => error instanceof UpstreamInvalid));
    });
  }

  it('is heard by readers that come late or read slowly, whatever they have read', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { corrupt: true });
    await using slow = await world.open(layer);
    await slow.read(Buffer.alloc(1), 0, { signal });

    await using quick = await world.open(layer);
    await assert.rejects(readAll(quick, signal), { name: 'UpstreamInvalid' });

    await assert.rejects(slow.read(Buffer.alloc(1), 1, { signal }), { name: 'UpstreamInvalid' });
  });

  it('is asked anew by the next', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { corrupt: true });
    await using wrong = await world.open(layer);
    await assert.rejects(readAll(wrong, signal));

    await using right = await world.open(layer);

    assert.ok((await readAll(right, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });

  it('cannot harm those who read a small blob: they get nothing of it', async () => {
    await using world = await openWorld();
    const layer = world.layer(1000);
    world.upstream.behave({ path: BLOBS }, { corrupt: true });
    await using reader = await world.open(layer);

    await assert.rejects(reader.read(Buffer.alloc(1000), 0, { signal }), {
      name: 'UpstreamInvalid',
    });
  });

  it('costs one more transfer if wrong bytes came before a break, and not a third', async () => {
    await using world = await openWorld({ attempts: 1 });
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { corrupt: true, cutAfter: 300_000 });
    await using first = await world.open(layer);
    await assert.rejects(readAll(first, signal), { name: 'UpstreamUnavailable' });
    await using second = await world.open(layer);
    await assert.rejects(readAll(second, signal), { name: 'UpstreamInvalid' });

    await assertKept(world, layer);

    assert.equal(world.upstream.count({ path: BLOBS }), 3);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await assertNothingLeft(world);
  });

  it('is not asked again and again where all of its bytes are wrong', async () => {
    await using world = await openWorld({ attempts: 1 });
    const layer = world.layer(MIB);
    using aborted = heard(fillAborted);
    world.upstream.behave({ path: BLOBS }, { corrupt: true });
    world.upstream.behave({ path: BLOBS, times: 1 }, { corrupt: true, cutAfter: 300_000 });
    const first = await world.open(layer);
    await assert.rejects(readAll(first, signal), { name: 'UpstreamUnavailable' });
    await first[Symbol.asyncDispose]();
    const second = await world.open(layer);
    await assert.rejects(readAll(second, signal), { name: 'UpstreamInvalid' });
    await second[Symbol.asyncDispose]();

    await eventually(() => assert.equal(aborted.facts.length, 2));
    await assertNothingLeft(world);
    assert.equal(world.upstream.count({ path: BLOBS }), 3);
  });

  it('says another size than the one that is asked for already, and is refused', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 4 * MIB });
    await using reader = await world.open(layer);

    await assert.rejects(world.open(layer, { size: 5 }), { name: 'UpstreamInvalid' });

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });

  it('does not keep the right size out with a wrong one that a manifest claims', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    const answer = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS, times: 1 }, { hold: answer.promise });
    const wrong = assert.rejects(world.open(layer, { size: layer.size + 1 }));
    await eventually(() => assert.equal(world.upstream.count({ path: BLOBS }), 1));
    const right = world.open(layer);
    right.catch(() => {});

    await setImmediate();
    answer.resolve();

    await wrong;
    await using reader = await right;
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });

  it('does not keep the right size out with a wrong one that it broke off', async () => {
    await using world = await openWorld({ attempts: 1 });
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { sayNoLength: true, cutAfter: 300_000 });
    const wrong = await world.open(layer, { size: MIB + 5 });
    await assert.rejects(readAll(wrong, signal), { name: 'UpstreamUnavailable' });
    await wrong[Symbol.asyncDispose]();

    await using right = await world.open(layer);

    assert.ok((await readAll(right, signal)).equals(layer.bytes));
    await assertKept(world, layer);
  });
});
