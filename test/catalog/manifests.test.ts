import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import {
  called,
  changesOf,
  contentOf,
  imageOf,
  imageWithBlobs,
  indexOf,
  keepBlob,
  openWorld,
  push,
} from './world.ts';

const app = 'local/app';

for (const engine of databases) {
  describe(`pushing a manifest on ${engine.name}`, () => {
    it('makes it found by its tag and by its digest, byte for byte', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');

      const pushed = await push(world, app, image, { tag: 'latest' });

      assert.deepEqual(pushed, { digest: image.digest, subject: undefined, tags: [] });
      const byTag = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.deepEqual(byTag?.bytes, image.bytes);
      assert.deepEqual(byTag?.tag, { name: 'latest', ownership: 'origin', checkedAt: undefined });
      const byDigest = await world.manifests.find(app, { kind: 'digest', digest: image.digest });
      assert.deepEqual(byDigest, { ...byTag, tag: undefined });
      assert.equal(byDigest?.complete, true);
      assert.equal(byDigest?.artifactType, 'application/vnd.oci.image.config.v1+json');
      assert.equal(
        await world.manifests.find('local/other', { kind: 'tag', tag: 'latest' }),
        undefined,
      );
    });

    it('moves the tag, and keeps the former manifest by its digest', async () => {
      await using world = await openWorld(engine);
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');
      await push(world, app, one, { tag: 'latest' });
      const before = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });

      await push(world, app, two, { tag: 'latest' });

      assert.equal(before?.digest, one.digest);
      const after = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.deepEqual(after?.bytes, two.bytes);
      const former = await world.manifests.find(app, { kind: 'digest', digest: one.digest });
      assert.deepEqual(former?.bytes, one.bytes);
    });

    it('gives the same object until something about it changes', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tag: 'latest' });
      const reference = { kind: 'tag', tag: 'latest' } as const;

      const [first, second] = await Promise.all([
        world.manifests.find(app, reference),
        world.manifests.find(app, reference),
      ]);
      await imageWithBlobs(world, app, 'unrelated');
      const afterCommit = await world.manifests.find(app, reference);
      await world.blobs.unlink(app, image.layer.digest);
      const afterChange = await world.manifests.find(app, reference);

      assert.notEqual(first, undefined);
      assert.equal(first, second);
      assert.equal(first, afterCommit);
      assert.equal(afterChange?.complete, false);
      assert.equal(afterChange?.bytes, first?.bytes);
    });

    it('refuses content that the repository lacks, naming all of it, and leaves nothing behind', async () => {
      await using world = await openWorld(engine);
      const [config, here, gone] = ['config', 'here', 'gone'].map((text) => contentOf(text));
      assert.ok(config && here && gone);
      await keepBlob(world, 'local/elsewhere', config);
      await keepBlob(world, app, here);
      const image = imageOf(config, [here, gone, gone]);

      await assert.rejects(push(world, app, image, { tag: 'latest' }), {
        code: 'MANIFEST_BLOB_UNKNOWN',
        detail: { missing: [config.digest, gone.digest] },
      });
      await assert.rejects(push(world, 'local/new', indexOf([image]), { tag: 'latest' }), {
        code: 'MANIFEST_BLOB_UNKNOWN',
        detail: { missing: [image.digest] },
      });

      assert.equal(await world.manifests.find(app, { kind: 'tag', tag: 'latest' }), undefined);
      assert.equal(await world.repositories.find('local/new'), undefined);
      assert.deepEqual(await changesOf(world), []);
      const bytes = await world.database.read
        .selectFrom('manifest_bytes')
        .select('digest')
        .execute();
      assert.deepEqual(bytes, []);
    });

    it('asks for neither the subject nor layers that say where else they are', async () => {
      await using world = await openWorld(engine);
      const config = contentOf('config');
      await keepBlob(world, app, config);
      const absent = contentOf('absent');
      const descriptor = { digest: absent.digest, size: absent.bytes.length };
      const image = imageOf(config, [], {
        subject: { ...descriptor, mediaType: 'application/vnd.oci.image.manifest.v1+json' },
        layers: [
          { ...descriptor, mediaType: 'application/x-layer', urls: ['https://elsewhere.example'] },
          { ...descriptor, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' },
        ],
      });

      const pushed = await push(world, app, image, { tag: 'latest' });

      assert.equal(pushed.subject, absent.digest);
      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.equal(found?.complete, true);
      assert.equal(found?.subject, absent.digest);
    });

    it('takes children of an index for manifests, but layers among them for blobs', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      const layer = { ...image.layer, mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' };
      const index = indexOf([image, layer]);
      await assert.rejects(push(world, app, index, { tag: 'all' }), {
        detail: { missing: [image.digest] },
      });

      await push(world, app, image);
      await push(world, app, index, { tag: 'all' });

      const found = await world.manifests.find(app, { kind: 'tag', tag: 'all' });
      assert.equal(found?.complete, true);
      assert.equal(await world.blobs.describedSize(app, layer.digest), layer.bytes.length);
      assert.equal(await world.blobs.describedSize(app, contentOf('x').digest), undefined);
    });

    it('leaves a manifest complete when content goes that it can do without', async () => {
      await using world = await openWorld(engine);
      const foreign = contentOf('a foreign layer');
      const image = await imageWithBlobs(world, app, 'one');
      const layers = [
        {
          mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
          digest: foreign.digest,
          size: foreign.bytes.length,
        },
      ];
      const withForeign = imageOf(image.config, [], { layers });
      const index = indexOf([image]);
      await keepBlob(world, app, foreign);
      // The same bytes once more, as a blob.
      await keepBlob(world, app, { bytes: image.bytes, digest: image.digest });
      for (const content of [withForeign, image, index]) await push(world, app, content);

      await world.blobs.unlink(app, foreign.digest);
      await world.blobs.unlink(app, image.digest);

      for (const { digest } of [withForeign, index]) {
        const found = await world.manifests.find(app, { kind: 'digest', digest });
        assert.equal(found?.complete, true);
      }
    });

    it('marks a manifest of a sparse project incomplete until the last missing content is there', async () => {
      await using world = await openWorld(engine);
      await world.database.write((transaction) =>
        transaction.updateTable('projects').set({ reference_mode: 'sparse' }).execute(),
      );
      const [config, layer] = [contentOf('config'), contentOf('layer')];
      const image = imageOf(config, [layer]);
      const index = indexOf([image]);
      const completeness = async () => {
        const found = await Promise.all(
          [image, index].map(({ digest }) => world.manifests.find(app, { kind: 'digest', digest })),
        );
        return found.map((manifest) => manifest?.complete);
      };

      await push(world, app, index, { references: 'sparse' });
      assert.deepEqual(await completeness(), [undefined, false]);
      await push(world, app, image, { references: 'sparse' });
      assert.deepEqual(await completeness(), [false, true]);
      await keepBlob(world, app, config);
      assert.deepEqual(await completeness(), [false, true]);
      await keepBlob(world, app, layer);
      assert.deepEqual(await completeness(), [true, true]);
      await world.manifests.remove(app, image.digest, called('alice'));
      assert.deepEqual(await completeness(), [undefined, false]);
    });

    it('keeps a manifest under the digest that it was pushed by, with all tags on it', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      const digest = digestOf(image.bytes, 'sha512');

      const pushed = await push(world, app, { ...image, digest }, { tags: ['1', '1.2', 'latest'] });

      assert.deepEqual(pushed.tags, ['1', '1.2', 'latest']);
      assert.deepEqual(await world.tags.list(app), ['1', '1.2', 'latest']);
      const found = await world.manifests.find(app, { kind: 'tag', tag: '1.2' });
      assert.equal(found?.digest, digest);
      const bySha256 = { kind: 'digest', digest: image.digest } as const;
      assert.equal(await world.manifests.find(app, bySha256), undefined);
    });

    it('refuses a digest of other bytes, a tag that is none, and a project that is none', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');

      await assert.rejects(push(world, app, { ...image, digest: contentOf('other').digest }), {
        code: 'DIGEST_INVALID',
      });
      await assert.rejects(push(world, app, image, { tags: ['fine', '-not'] }), {
        code: 'TAG_INVALID',
      });
      await assert.rejects(push(world, 'nowhere/app', image, { tag: 'latest' }), {
        code: 'NAME_UNKNOWN',
      });

      assert.deepEqual(await world.tags.list(app), []);
    });

    it('tells nobody anything when it is repeated, and renews the push time', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tag: 'latest' });
      const changes = await changesOf(world);
      world.clock.at += 1000;

      await push(world, app, image, { tag: 'latest' });

      assert.deepEqual(await changesOf(world), changes);
      const tag = await world.database.read
        .selectFrom('tags')
        .selectAll()
        .executeTakeFirstOrThrow();
      assert.equal(tag.pushed_at, world.clock.at);
      assert.equal((await world.tags.history(app, 'latest')).length, 1);
    });

    it('takes thousands of references', async () => {
      await using world = await openWorld(engine);
      const config = contentOf('config');
      await keepBlob(world, app, config);
      const layers = Array.from({ length: 1200 }, (_, index) => contentOf(`absent ${index}`));

      await assert.rejects(push(world, app, imageOf(config, layers)), ({ detail }) => {
        assert.deepEqual(detail, { missing: layers.map(({ digest }) => digest) });
        return true;
      });
      await push(world, app, imageOf(config, layers), { tag: 'big', references: 'sparse' });

      const rows = await world.database.read
        .selectFrom('manifest_references')
        .select(['position', 'digest'])
        .orderBy('position')
        .execute();
      assert.deepEqual(
        rows.map(({ digest }) => digest),
        [config, ...layers].map(({ digest }) => digest),
      );
    });
  });
}
