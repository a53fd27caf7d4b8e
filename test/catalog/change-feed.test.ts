import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChangeRow } from '../../src/database/tables.ts';
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
  type World,
} from './world.ts';

const app = 'local/app';
const cached = 'docker.io/library/alpine';

for (const engine of databases) {
  describe(`the change feed on ${engine.name}`, () => {
    it('tells what happened in order, without a gap, and what was there before', async () => {
      await using world = await openWorld(engine);
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');

      await push(world, app, one, { tag: 'latest' });
      await assert.rejects(push(world, app, imageOf(contentOf('absent'), []), { tag: 'latest' }));
      await push(world, app, two, { tags: ['2', 'latest'] });
      await world.tags.remove(app, '2', called('bob'));
      await world.manifests.remove(app, two.digest, called('bob'));

      const changes = await changesOf(world);
      assert.deepEqual(
        changes.map(({ seq, kind, tag, digest, previous_digest, previous_seq }) => [
          seq,
          kind,
          tag,
          digest,
          previous_digest,
          previous_seq,
        ]),
        [
          [1, 'manifest', null, one.digest, null, null],
          [2, 'tag', 'latest', one.digest, null, null],
          [3, 'manifest', null, two.digest, null, null],
          [4, 'tag', '2', two.digest, null, null],
          [5, 'tag', 'latest', two.digest, one.digest, 2],
          [6, 'tag-deleted', '2', two.digest, two.digest, 4],
          [7, 'tag-deleted', 'latest', two.digest, two.digest, 5],
          [8, 'manifest-deleted', null, two.digest, null, null],
        ],
      );
      await assertFeedIsWhole(world, changes);
    });

    it('tells the kind of the content, who and why', async () => {
      await using world = await openWorld(engine);
      const subject = contentOf('subject');
      const image = await imageWithBlobs(world, app, 'one', {
        artifactType: 'application/x-signature',
        subject: { mediaType: 'application/x', digest: subject.digest, size: 7 },
      });

      await push(world, app, image, { tag: 'signed' });

      const [, change] = await changesOf(world);
      const { origin, epoch, hlc, seq, ...rest } = change ?? assert.fail();
      const instance = await world.database.read
        .selectFrom('instance')
        .selectAll()
        .executeTakeFirstOrThrow();
      assert.deepEqual([origin, epoch, hlc], [instance.id, instance.feed_epoch, instance.last_hlc]);
      assert.equal(seq, instance.last_seq);
      assert.deepEqual(rest, {
        project: 'local',
        repository: app,
        kind: 'tag',
        tag: 'signed',
        digest: image.digest,
        media_type: 'application/vnd.oci.image.manifest.v1+json',
        artifact_type: 'application/x-signature',
        subject: subject.digest,
        size: image.bytes.length,
        previous_digest: null,
        previous_origin: null,
        previous_seq: null,
        actor: 'alice',
        cause: 'push',
        at: world.clock.at,
      });
    });

    it('stays gap-free when many push at once', async () => {
      await using world = await openWorld(engine);
      const images = await Promise.all(
        Array.from({ length: 12 }, (_, index) => imageWithBlobs(world, app, `image ${index}`)),
      );

      await Promise.all(
        images.map((image, index) => push(world, app, image, { tags: [`t${index}`, 'latest'] })),
      );

      const changes = await changesOf(world);
      assert.equal(changes.length, 3 * images.length);
      await assertFeedIsWhole(world, changes);
    });

    it('says nothing of what was pulled through: that has arrivals', async () => {
      await using world = await openWorld(engine);
      const [one, two] = [imageOf(contentOf('1'), []), imageOf(contentOf('2'), [])];

      await arrive(world, cached, one, 'latest');
      await arrive(world, cached, one, 'latest');
      await arrive(world, cached, two);
      await arrive(world, cached, two, 'latest');
      await world.manifests.remove(cached, one.digest, called('bob'));

      assert.deepEqual(await changesOf(world), []);
      const arrivals = await world.database.read
        .selectFrom('arrivals')
        .select(['repository', 'tag', 'digest'])
        .orderBy('id')
        .execute();
      assert.deepEqual(
        arrivals.map(({ repository, tag, digest }) => [repository, tag, digest]),
        [
          [cached, 'latest', one.digest],
          [cached, null, two.digest],
          [cached, 'latest', two.digest],
        ],
      );
    });
  });

  describe(`what arrives from upstream on ${engine.name}`, () => {
    it('is found as cached, incomplete, with the time of its check', async () => {
      await using world = await openWorld(engine);
      const image = imageOf(contentOf('config'), [contentOf('layer')]);

      const arrived = await arrive(world, cached, image, 'latest');

      assert.equal(arrived.ownership, 'cache');
      assert.equal(arrived.complete, false);
      assert.deepEqual(arrived.tag, {
        name: 'latest',
        ownership: 'cache',
        checkedAt: world.clock.at,
      });
      assert.deepEqual(arrived.bytes, image.bytes);
      assert.equal(await world.manifests.find(cached, { kind: 'tag', tag: 'latest' }), arrived);
    });

    it('moves no tag that is owned here, and makes nothing owned evictable', async () => {
      await using world = await openWorld(engine);
      const owned = await imageWithBlobs(world, app, 'one');
      const other = imageOf(contentOf('2'), []);
      await push(world, app, owned, { tag: 'latest' });

      const same = await arrive(world, app, owned, 'latest');
      const arrived = await arrive(world, app, other, 'latest');

      assert.equal(same.ownership, 'origin');
      assert.equal(arrived.digest, other.digest);
      assert.equal(arrived.tag, undefined);
      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.equal(found?.digest, owned.digest);
    });

    it('is owned, and told by the feed, once somebody pushes the same', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await arrive(world, app, image, 'latest');

      await push(world, app, image, { tag: 'latest' });

      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.deepEqual([found?.ownership, found?.tag?.ownership], ['origin', 'origin']);
      assert.deepEqual(
        (await changesOf(world)).map(({ kind }) => kind),
        ['manifest', 'tag'],
      );
    });
  });
}

async function assertFeedIsWhole(world: World, changes: readonly ChangeRow[]): Promise<void> {
  assert.deepEqual(
    changes.map(({ seq }) => seq),
    changes.map((_, index) => index + 1),
  );
  const stamps = changes.map(({ hlc }) => hlc);
  assert.deepEqual(stamps, [...new Set(stamps)].toSorted());
  const tags = await world.database.read.selectFrom('tags').selectAll().execute();
  for (const tag of tags) {
    const change = changes.find(({ seq }) => seq === tag.seq);
    assert.deepEqual(
      [change?.tag, change?.digest, change?.hlc, change?.origin],
      [tag.name, tag.digest, tag.hlc, tag.origin],
    );
  }
}
