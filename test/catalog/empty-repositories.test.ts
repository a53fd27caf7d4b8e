import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBlobs } from '../../src/catalog/blobs.ts';
import { ensureRepository } from '../../src/catalog/repositories.ts';
import type { Database } from '../../src/database/database.ts';
import { databases } from '../support/databases.ts';
import {
  arrive,
  called,
  contentOf,
  HOUR,
  imageWithBlobs,
  indexOf,
  keepBlob,
  openWorld,
  push,
  type World,
} from './world.ts';

const layer = contentOf('a layer');

for (const engine of databases) {
  describe(`repositories that came to nothing, on ${engine.name}`, () => {
    it('go once they are old', async () => {
      await using world = await openWorld(engine);
      await addEmpty(world, 600);
      world.clock.at += HOUR;
      await addEmpty(world, 1, 'young');

      assert.equal(await world.repositories.dropEmpty(world.clock.at - 1), 600);

      assert.deepEqual(await names(world), ['local/young/0']);
    });

    it('stay while anything is in them, or was tagged or said about them', async () => {
      await using world = await openWorld(engine);
      await push(world, 'local/manifest', indexOf([]));
      await arrive(world, 'docker.io/library/cached', indexOf([]));
      await keepBlob(world, 'local/blob', layer);
      const caller = 'alice';
      await world.uploads.start('local/upload', { caller, algorithm: 'sha256' });
      const image = await imageWithBlobs(world, 'local/history', 'one');
      await push(world, 'local/history', image, { tag: 'latest' });
      await world.manifests.remove('local/history', image.digest, called('alice'));
      await world.blobs.unlink('local/history', image.layer.digest);
      await world.blobs.unlink('local/history', image.config.digest);
      await addEmpty(world, 1, 'described');
      await world.database.write((transaction) =>
        transaction
          .updateTable('repositories')
          .set({ description: 'ours' })
          .where('name', '=', 'local/described/0')
          .execute(),
      );
      const before = await names(world);
      assert.equal(before.length, 6);

      assert.equal(await world.repositories.dropEmpty(world.clock.at), 0);

      assert.deepEqual(await names(world), before);
    });

    it('are no work for who looks for blobs to release', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, 'local/first', layer);
      await addEmpty(world, 300);
      await keepBlob(world, 'local/last', layer);
      let reads = 0;
      const database: Database = {
        ...world.database,
        get read() {
          reads += 1;
          return world.database.read;
        },
      };
      const { store, accessTimes, clock } = world;
      const blobs = createBlobs({ database, store, accessTimes, now: () => clock.at });

      assert.equal(await blobs.releaseUnreferenced(clock.at), 2);

      assert.ok(reads < 20, `${reads} reads`);
    });
  });
}

describe('dropping empty repositories', () => {
  const [engine] = databases;
  assert.ok(engine);

  it('lets others have their turn, and ends early when it is told to', async () => {
    await using world = await openWorld(engine);
    await addEmpty(world, 3000);
    const stop = new AbortController();
    setImmediate(() => stop.abort());

    const { signal } = stop;
    const dropped = await world.repositories.dropEmpty(world.clock.at, { signal });

    assert.ok(dropped < 3000, `${dropped} dropped`);
  });
});

async function addEmpty({ database, clock }: World, count: number, group = 'empty') {
  await database.write(async (transaction) => {
    for (let index = 0; index < count; index++) {
      await ensureRepository(transaction, `local/${group}/${index}`, clock.at);
    }
  });
}

async function names({ database }: World): Promise<readonly string[]> {
  const rows = await database.read
    .selectFrom('repositories')
    .select('name')
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}
