import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import * as fc from 'fast-check';
import type { Behaviour } from '../support/upstream.ts';
import { assertKept, assertNothingLeft, BLOBS, openWorld, type World } from './support/world.ts';

const SIZE = 1 << 20;
const RUNS = process.env['PORTOLAN_TEST_FORM'] === 'long' ? 400 : 15;
const signal = AbortSignal.timeout(600_000);

interface Reading {
  readonly afterMs: number;
  readonly start: number;
  readonly length: number;
  readonly whole: boolean;
  /** Bytes asked for at once. */
  readonly step: number;
  readonly inParts?: boolean;
}

const reading: fc.Arbitrary<Reading> = fc.record({
  afterMs: fc.nat(30),
  start: fc.oneof(fc.constant(0), fc.nat(SIZE - 1)),
  length: fc.oneof(fc.constant(SIZE), fc.integer({ min: 1, max: SIZE / 4 })),
  whole: fc.boolean(),
  step: fc.integer({ min: 1000, max: 300_000 }),
});

const after = fc.integer({ min: 1, max: SIZE / 2 });
const misfortune: fc.Arbitrary<Behaviour> = fc.oneof(
  after.map((cutAfter) => ({ cutAfter })),
  after.map((resetAfter) => ({ resetAfter })),
  after.map((stallAfter) => ({ stallAfter })),
  fc.constantFrom<Behaviour>({ status: 503 }, { ignoreRange: true }, { bytesPerSecond: 8 * SIZE }),
);

describe('whatever readers and upstream do', () => {
  it('readers get the right bytes, and each byte leaves upstream once where nothing breaks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(reading, { minLength: 1, maxLength: 6 }), async (readings) => {
        await using world = await openWorld({ soonBytes: 64 * 1024 });
        world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 16 * SIZE });
        const layer = world.layer(SIZE);

        await Promise.all(readings.map((each) => read(world, layer, each)));

        await assertKept(world, layer);
        await assertNothingLeft(world);
        const starts = world.upstream.requests.map(({ headers }) => headers.range);
        assert.equal(new Set(starts).size, starts.length, `asked for ${starts.join(', ')}`);
        // What is on its way when a transfer meets another one's bytes is lost.
        const slack = (SIZE / 2) * (starts.length - 1);
        const sent = world.upstream.sentBytes({ path: BLOBS });
        assert.ok(sent <= SIZE + slack, `${sent} bytes of ${SIZE} left upstream`);
      }),
      { numRuns: RUNS },
    );
  });

  it('readers get the right bytes through breaks, stalls and refusals', async () => {
    const misfortunes = fc.array(misfortune, { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(reading, { minLength: 1, maxLength: 6 }),
        misfortunes,
        fc.boolean(),
        async (readings, troubles, inParts) => {
          const inMany = { partBytes: 50_000, fastBytes: Number.POSITIVE_INFINITY };
          const limits = { soonBytes: 64 * 1024, silenceMs: 30, attempts: 8, ...inMany };
          await using world = await openWorld(limits);
          for (const how of troubles) world.upstream.behave({ path: BLOBS, times: 1 }, how);
          // The first answer has to be one: what is refused before the first byte is the asker's to hear.
          world.upstream.behave({ path: BLOBS, times: 1 }, { bytesPerSecond: 16 * SIZE });
          const layer = world.layer(SIZE);

          await Promise.all(readings.map((each) => read(world, layer, { ...each, inParts })));

          await assertKept(world, layer);
          await assertNothingLeft(world);
        },
      ),
      { numRuns: RUNS },
    );
  });
});

async function read(
  world: World,
  layer: ReturnType<World['layer']>,
  { afterMs, start, length, whole, step, inParts = false }: Reading,
): Promise<void> {
  await setTimeout(afterMs);
  await using reader = await world.open(layer, { whole, inParts });
  const end = Math.min(start + length, SIZE);
  const into = Buffer.alloc(step);
  for (let position = start; position < end; ) {
    const got = await reader.read(into, position, { signal });
    assert.ok(got > 0);
    assert.ok(into.subarray(0, got).equals(layer.bytes.subarray(position, position + got)));
    position += got;
  }
}
