import assert from 'node:assert/strict';
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { announceBlob, linkBlob } from '../../src/catalog/blob-rows.ts';
import { createBlobs } from '../../src/catalog/blobs.ts';
import { ensureRepository } from '../../src/catalog/repositories.ts';
import type { Database, WriteTransaction } from '../../src/database/database.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import {
  arrive,
  type Content,
  contentOf,
  HOUR,
  imageOf,
  imageWithBlobs,
  keepBlob,
  openWorld,
  push,
  stateOf,
  type World,
} from './world.ts';

const app = 'local/app';
const other = 'local/other';
const layer = contentOf('a layer');
const size = layer.bytes.length;

for (const engine of databases) {
  describe(`taking bytes away on ${engine.name}`, () => {
    it('waits for the grace period after the last link went', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      await keepBlob(world, other, layer);
      await world.blobs.unlink(app, layer.digest);
      assert.deepEqual(await stateOf(world, layer), { state: 'present', at: null });
      await world.blobs.unlink(other, layer.digest);
      world.clock.at += HOUR - 1;

      assert.deepEqual(await world.blobs.collect(), { blobs: 0, bytes: 0 });
      assert.equal(await world.store.size(layer.digest), size);
      world.clock.at += 1;
      assert.deepEqual(await world.blobs.collect(), { blobs: 1, bytes: size });

      assert.equal(await world.store.size(layer.digest), undefined);
      assert.equal(await stateOf(world, layer), undefined);
    });

    it('does not take what somebody wanted meanwhile', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      await world.blobs.unlink(app, layer.digest);
      world.clock.at += HOUR;

      await world.blobs.link(other, layer.digest, 'origin');

      assert.deepEqual(await world.blobs.collect(), { blobs: 0, bytes: 0 });
      assert.deepEqual(await stateOf(world, layer), { state: 'present', at: null });
      assert.equal(await world.store.size(layer.digest), size);
    });

    it('spares a linked blob that was condemned, once it is looked for', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      await world.database.write((transaction) =>
        transaction.updateTable('blobs').set({ state: 'condemned', condemned_at: 0 }).execute(),
      );

      assert.equal((await world.blobs.find(app, layer.digest))?.size, size);

      assert.deepEqual(await stateOf(world, layer), { state: 'present', at: null });
    });

    it('never takes the file of a blob that is coming in', async () => {
      await using world = await openWorld(engine);
      for (let round = 0; round < 10; round++) {
        await keepBlob(world, app, layer);
        await world.blobs.unlink(app, layer.digest);

        await Promise.all([world.blobs.collect({ graceMs: 0 }), keepBlob(world, other, layer)]);

        assert.deepEqual(await world.blobs.find(other, layer.digest), { size });
        assert.equal(await world.store.size(layer.digest), size);
        await world.blobs.unlink(other, layer.digest);
      }
    });

    it('goes through more blobs than are read at once', async () => {
      await using world = await openWorld(engine);
      const rows = Array.from({ length: 101 }, (_, index) => ({
        digest: contentOf(`blob ${index}`).digest,
        size: 1,
        state: 'condemned' as const,
        condemned_at: 0,
        accessed_at: 0,
      }));
      await world.database.write((transaction) =>
        transaction.insertInto('blobs').values(rows).execute(),
      );

      assert.deepEqual(await world.blobs.collect(), { blobs: 101, bytes: 101 });
    });

    it('goes on where one file cannot be removed, and comes back to that one', async () => {
      await using world = await openWorld(engine);
      const others = ['one', 'two', 'three'].map((text) => contentOf(text));
      for (const content of [layer, ...others]) {
        await keepBlob(world, app, content);
        await world.blobs.unlink(app, content.digest);
      }
      const file = join(world.path, world.store.pathOf?.(layer.digest) ?? '');
      await rm(file);
      await mkdir(file);
      world.clock.at += HOUR;
      const failures: string[] = [];
      using _ = maintenanceFailed.subscribe(({ work }) => failures.push(work));

      assert.deepEqual(await world.blobs.collect(), { blobs: 3, bytes: 11 });

      assert.deepEqual(failures, ['collection']);
      for (const { digest } of others) assert.equal(await world.store.size(digest), undefined);
      await rmdir(file);
      await writeFile(file, layer.bytes);
      assert.deepEqual(await world.blobs.collect(), { blobs: 1, bytes: size });
      assert.equal(await world.store.size(layer.digest), undefined);
    });

    it('starts with pushed blobs that no manifest refers to and nobody asked for in time', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image);
      const [idle, asked, cached] = [contentOf('idle'), contentOf('asked'), contentOf('cached')];
      await keepBlob(world, app, idle);
      await keepBlob(world, app, asked);
      await keepBlob(world, 'docker.io/library/a', cached, 'cache');
      await keepBlob(world, other, image.layer);
      world.clock.at += HOUR;
      await keepBlob(world, app, contentOf('young'));
      await world.blobs.find(app, asked.digest);

      assert.equal(await world.blobs.releaseUnreferenced(world.clock.at - 1), 2);

      assert.equal(await world.blobs.find(app, idle.digest), undefined);
      assert.equal(await world.blobs.find(other, image.layer.digest), undefined);
      assert.deepEqual(await stateOf(world, idle), { state: 'condemned', at: world.clock.at });
      for (const { digest } of [image.layer, image.config, asked, contentOf('young')]) {
        assert.notEqual(await world.blobs.find(app, digest), undefined);
      }
      assert.notEqual(await world.blobs.find('docker.io/library/a', cached.digest), undefined);
    });
  });

  describe(`cached blobs on ${engine.name}`, () => {
    const cache = 'docker.io/library/a';

    it('go once they are idle and no manifest of their repository refers to them', async () => {
      await using world = await openWorld(engine);
      const [kept, idle, asked] = [contentOf('kept'), contentOf('idle'), contentOf('asked')];
      await arrive(world, cache, imageOf(kept, []));
      for (const content of [kept, idle, asked]) await keepBlob(world, cache, content, 'cache');
      await keepBlob(world, 'docker.io/library/b', kept, 'cache');
      await keepBlob(world, app, contentOf('pushed'));
      world.clock.at += HOUR;
      await world.blobs.find(cache, asked.digest);
      const content = 'cached';

      assert.equal(await world.blobs.releaseUnreferenced(world.clock.at - 1, { content }), 2);

      assert.deepEqual(await stateOf(world, idle), { state: 'condemned', at: world.clock.at });
      for (const { digest } of [kept, asked]) {
        assert.notEqual(await world.blobs.find(cache, digest), undefined);
      }
      assert.equal(await world.blobs.find('docker.io/library/b', kept.digest), undefined);
      assert.notEqual(await world.blobs.find(app, contentOf('pushed').digest), undefined);
    });
  });

  describe(`looking for pushed blobs without a manifest on ${engine.name}`, () => {
    it('spares one that somebody asks for at the last moment', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      const database: Database = {
        ...world.database,
        async write(work) {
          await world.blobs.find(app, layer.digest);
          return world.database.write(work);
        },
      };
      const { store, accessTimes, clock } = world;
      clock.at += HOUR;
      const blobs = createBlobs({ database, store, accessTimes, now: () => clock.at });

      assert.equal(await blobs.releaseUnreferenced(clock.at - 1), 0);

      assert.notEqual(await world.blobs.find(app, layer.digest), undefined);
    });

    it('ends early when it is told to', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      const signal = AbortSignal.abort();

      assert.equal(await world.blobs.releaseUnreferenced(world.clock.at, { signal }), 0);
    });
  });

  describe(`eviction on ${engine.name}`, () => {
    it('sees only blobs that nothing but caches hold, those unread for longest first', async () => {
      await using world = await openWorld(engine);
      const [old, young, shared] = [contentOf('old'), contentOf('young'), contentOf('shared')];
      await keepBlob(world, 'docker.io/library/a', young, 'cache');
      await keepBlob(world, 'docker.io/library/a', old, 'cache');
      await keepBlob(world, 'docker.io/library/a', shared, 'cache');
      await keepBlob(world, app, shared);
      assert.deepEqual(await world.cachedBlobs.totals(), { condemned: 0, cached: 8, present: 14 });
      world.clock.at += 1;
      world.blobs.touch(young.digest);
      await world.accessTimes.flush();

      const oldest = await world.cachedBlobs.oldest(10);

      assert.deepEqual(
        oldest.map(({ digest, accessedAt }) => [digest, accessedAt]),
        [
          [old.digest, world.clock.at - 1],
          [young.digest, world.clock.at],
        ],
      );
      assert.equal((await world.cachedBlobs.oldest(1)).length, 1);
    });

    it('adds all blobs up once in ten seconds, however often it is asked', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, contentOf('1234'));
      await keepBlob(world, 'docker.io/library/a', contentOf('56'), 'cache');
      assert.equal(await world.cachedBlobs.presentBytes(), 6);

      await keepBlob(world, app, contentOf('789'));

      world.clock.at += 9_999;
      assert.equal(await world.cachedBlobs.presentBytes(), 6);
      world.clock.at += 1;
      assert.equal(await world.cachedBlobs.presentBytes(), 9);
    });

    it('takes a blob out of every cache, unless it was read or pushed since', async () => {
      await using world = await openWorld(engine);
      const contents = ['idle', 'read', 'pushed'].map((text) => contentOf(text));
      const [idle, read, pushed] = contents;
      assert.ok(idle && read && pushed);
      for (const content of contents) {
        await keepBlob(world, 'docker.io/library/a', content, 'cache');
        await keepBlob(world, 'docker.io/library/b', content, 'cache');
      }
      const candidates = await world.cachedBlobs.oldest(10);
      world.clock.at += 1;
      world.blobs.touch(read.digest);
      await world.accessTimes.flush();
      await keepBlob(world, app, pushed);

      const evicted: Content['digest'][] = [];
      for (const candidate of candidates) {
        if (await world.cachedBlobs.evict(candidate)) evicted.push(candidate.digest);
      }

      assert.deepEqual(evicted, [idle.digest]);
      assert.equal(await world.blobs.find('docker.io/library/b', idle.digest), undefined);
      assert.deepEqual(await world.cachedBlobs.totals(), { condemned: 4, cached: 4, present: 10 });
      assert.deepEqual(await world.blobs.collect({ graceMs: 0 }), { blobs: 1, bytes: 4 });
    });
  });
}

describe('looking for pushed blobs without a manifest', () => {
  const [engine] = databases;
  assert.ok(engine);

  it('lets others have their turn, however many there are', async () => {
    await using world = await openWorld(engine);
    await world.database.write(async (transaction) => {
      for (let index = 0; index < 1000; index++) await addRead(transaction, world, index);
    });
    let turns = 0;
    const count = (): void => {
      turns += 1;
      next = setImmediate(count);
    };
    let next = setImmediate(count);

    assert.equal(await world.blobs.releaseUnreferenced(world.clock.at), 0);

    clearImmediate(next);
    assert.ok(turns >= 10, `${turns} turns`);
  });
});

/** A pushed blob that somebody reads later than now. */
async function addRead(
  transaction: WriteTransaction,
  { clock }: World,
  index: number,
): Promise<void> {
  const { digest } = contentOf(`${index}`);
  const repository = await ensureRepository(transaction, app, clock.at);
  await announceBlob(transaction, { digest, size: 1, at: clock.at });
  await linkBlob(transaction, repository, { digest, ownership: 'origin', at: clock.at });
  const read = { accessed_at: clock.at + 1 };
  await transaction.updateTable('blobs').set(read).where('digest', '=', digest).execute();
}
