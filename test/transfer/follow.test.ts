import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAll } from '../storage/conformance.ts';
import { openWorld } from './support/world.ts';

const signal = AbortSignal.timeout(60_000);

describe('following a fill', () => {
  for (const size of [0, 1, 64 * 1024, 64 * 1024 + 1, 5 << 20]) {
    it(`brings ${size} bytes, and keeps them`, async () => {
      await using world = await openWorld();
      const layer = world.layer(size);

      await using reader = await world.open(layer);
      const read = await readAll(reader, signal);

      assert.deepEqual(read, layer.bytes);
    });
  }
});
