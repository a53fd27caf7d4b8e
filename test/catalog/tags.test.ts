import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import {
  arrive,
  called,
  changesOf,
  contentOf,
  imageOf,
  imageWithBlobs,
  openWorld,
  push,
} from './world.ts';

const app = 'local/app';
const cached = 'docker.io/library/alpine';

for (const engine of databases) {
  describe(`tags on ${engine.name}`, () => {
    it('are listed in byte order, from any of them on', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tags: ['b', 'a', 'Z', '_', '10', '9', 'a-b', 'a.b'] });

      assert.deepEqual(await world.tags.list(app), ['10', '9', 'Z', '_', 'a', 'a-b', 'a.b', 'b']);
      assert.deepEqual(await world.tags.list(app, { last: 'Z', limit: 2 }), ['_', 'a']);
      assert.deepEqual(await world.tags.list(app, { last: 'a,' }), ['a-b', 'a.b', 'b']);
      assert.deepEqual(await world.tags.list(app, { limit: 0 }), []);
      await assert.rejects(world.tags.list('local/none', { limit: 0 }), { code: 'NAME_UNKNOWN' });
    });

    it('are told with whose they are, and when upstream confirmed those that are cached', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tag: 'pushed' });
      await arrive(world, cached, image, 'pulled');
      const checkedAt = world.clock.at;

      assert.deepEqual(await world.tags.found(app), [
        { name: 'pushed', ownership: 'origin', checkedAt: undefined },
      ]);
      assert.deepEqual(await world.tags.found(cached), [
        { name: 'pulled', ownership: 'cache', checkedAt },
      ]);
      assert.deepEqual(await world.tags.found('docker.io/library/none'), []);
    });

    it('go without their manifest, and their history remains', async () => {
      await using world = await openWorld(engine);
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');
      await push(world, app, one, { tag: 'latest' });
      await push(world, app, two, { tag: 'latest' });

      await world.tags.remove(app, 'latest', called('bob'));

      assert.deepEqual(await world.tags.list(app), []);
      const byDigest = { kind: 'digest', digest: two.digest } as const;
      assert.deepEqual((await world.manifests.find(app, byDigest))?.bytes, two.bytes);
      const at = world.clock.at;
      assert.deepEqual(await world.tags.history(app, 'latest'), [
        { digest: undefined, previous: two.digest, actor: 'bob', cause: 'api', at },
        { digest: two.digest, previous: one.digest, actor: 'alice', cause: 'push', at },
        { digest: one.digest, previous: undefined, actor: 'alice', cause: 'push', at },
      ]);
      await assert.rejects(world.tags.remove(app, 'latest', called('bob')), {
        code: 'MANIFEST_UNKNOWN',
      });
      await assert.rejects(world.tags.remove('local/none', 'latest', called('bob')), {
        code: 'NAME_UNKNOWN',
      });
    });

    it('go with their manifest when that is deleted', async () => {
      await using world = await openWorld(engine);
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');
      await push(world, app, one, { tags: ['1', 'latest'] });
      await push(world, app, two, { tag: '2' });
      const twin = await imageWithBlobs(world, 'local/twin', 'one');
      await push(world, 'local/twin', twin, { tag: 'kept' });

      await world.manifests.remove(app, one.digest, called('bob'));

      assert.deepEqual(await world.tags.list(app), ['2']);
      const byDigest = { kind: 'digest', digest: one.digest } as const;
      assert.equal(await world.manifests.find(app, byDigest), undefined);
      assert.deepEqual((await world.manifests.find('local/twin', byDigest))?.bytes, one.bytes);
      await assert.rejects(world.manifests.remove(app, one.digest, called('bob')), {
        code: 'MANIFEST_UNKNOWN',
      });
      await world.manifests.remove('local/twin', one.digest, called('bob'));
      const bytes = await world.database.read
        .selectFrom('manifest_bytes')
        .select('digest')
        .execute();
      assert.deepEqual(
        bytes.map(({ digest }) => digest),
        [two.digest],
      );
    });

    it('pushed by two at once end where the history says, and nothing is lost between', async () => {
      await using world = await openWorld(engine);
      const images = await Promise.all(
        Array.from({ length: 8 }, (_, index) => imageWithBlobs(world, app, `image ${index}`)),
      );

      await Promise.all(images.map((image) => push(world, app, image, { tag: 'latest' })));

      const [newest, ...older] = await world.tags.history(app, 'latest');
      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.equal(found?.digest, newest?.digest);
      assert.equal(older.length, images.length - 1);
      for (const [index, move] of older.entries()) {
        assert.equal([newest, ...older][index]?.previous, move.digest);
      }
      const last = (await changesOf(world)).at(-1);
      assert.deepEqual([last?.kind, last?.digest], ['tag', newest?.digest]);
    });

    it('that are cached say when upstream last confirmed them', async () => {
      await using world = await openWorld(engine);
      const [one, two] = [imageOf(contentOf('1'), []), imageOf(contentOf('2'), [])];
      await arrive(world, cached, one, 'latest');
      await push(world, app, await imageWithBlobs(world, app, 'one'), { tag: 'latest' });
      const checkedAt = async (repository: string) =>
        (await world.manifests.find(repository, { kind: 'tag', tag: 'latest' }))?.tag?.checkedAt;
      const arrivedAt = world.clock.at;

      await world.tags.confirm(cached, 'latest', two.digest, arrivedAt + 1);
      assert.equal(await checkedAt(cached), arrivedAt);
      await world.tags.confirm(cached, 'latest', one.digest, arrivedAt + 2);
      await world.tags.confirm(app, 'latest', one.digest, arrivedAt + 2);

      assert.equal(await checkedAt(cached), arrivedAt + 2);
      assert.equal(await checkedAt(app), undefined);
    });
  });
}
