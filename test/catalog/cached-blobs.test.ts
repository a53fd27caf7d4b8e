import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import { contentOf, keepBlob, openWorld } from './world.ts';

const cache = 'docker.io/library/a';
const layer = contentOf('a layer');

for (const engine of databases) {
  describe(`a cached blob on ${engine.name}`, () => {
    it('that is fetched again within its grace counts as read then', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, cache, layer, 'cache');
      for (const blob of await world.cachedBlobs.oldest(1)) await world.cachedBlobs.evict(blob);
      world.clock.at += 1;

      await keepBlob(world, cache, layer, 'cache');

      const [again] = await world.cachedBlobs.oldest(1);
      assert.equal(again?.accessedAt, world.clock.at);
    });

    it('that comes into one more cache counts as read then', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, cache, layer, 'cache');
      world.clock.at += 1;

      await keepBlob(world, 'docker.io/library/b', layer, 'cache');

      const [shared] = await world.cachedBlobs.oldest(1);
      assert.equal(shared?.accessedAt, world.clock.at);
    });
  });
}
