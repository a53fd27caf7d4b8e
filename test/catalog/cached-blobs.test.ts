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

    it('stays where somebody read it just now, before its row says so and after', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, cache, layer, 'cache');
      const [candidate] = await world.cachedBlobs.oldest(1);
      assert.ok(candidate);
      world.clock.at += 1;
      await world.blobs.find(cache, layer.digest);

      assert.equal(await world.cachedBlobs.evict(candidate), false);
      await world.accessTimes.flush();
      assert.equal(await world.cachedBlobs.evict(candidate), false);

      assert.notEqual(await world.blobs.find(cache, layer.digest), undefined);
    });

    it('stays where somebody reads it while eviction waits for its turn to write', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, cache, layer, 'cache');
      const [candidate] = await world.cachedBlobs.oldest(1);
      assert.ok(candidate);
      const { promise: isRead, resolve } = Promise.withResolvers<void>();
      const writing = world.database.write(() => isRead);
      const evicting = world.cachedBlobs.evict(candidate);
      await world.blobs.find(cache, layer.digest);
      resolve();
      await writing;

      assert.equal(await evicting, false);
    });
  });
}
