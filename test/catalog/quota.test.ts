import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import {
  arrive,
  contentOf,
  imageOf,
  imageWithBlobs,
  keepBlob,
  openWorld,
  push,
  type World,
} from './world.ts';

const signal = new AbortController().signal;
const refusal = {
  code: 'DENIED',
  message:
    /adding [\d.]+ \w*B of storage resource, which when updated to current usage of [\d.]+ \w*B will exceed the configured upper limit of [\d.]+ \w*B\.$/,
};

for (const engine of databases) {
  describe(`the limit of a project on ${engine.name}`, () => {
    it('counts each digest once, whichever repositories have it, manifests too', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, 'local/a', 'one');
      await push(world, 'local/a', image);
      const before = await usedOf(world);

      await world.blobs.mount('local/b', image.config.digest, 'local/a');
      await world.blobs.mount('local/b', image.layer.digest, 'local/a');
      await push(world, 'local/b', image);

      const { length } = image.bytes;
      assert.equal(before, length + image.config.bytes.length + image.layer.bytes.length);
      assert.equal(await usedOf(world), before);
    });

    it('counts what is deleted no more, once the last repository has lost it', async () => {
      await using world = await openWorld(engine);
      const blob = contentOf('twice');
      await keepBlob(world, 'local/a', blob);
      await world.blobs.mount('local/b', blob.digest, 'local/a');

      await world.blobs.unlink('local/a', blob.digest);
      assert.equal(await usedOf(world), blob.bytes.length);
      await world.blobs.unlink('local/b', blob.digest);
      assert.equal(await usedOf(world), 0);
    });

    it('refuses the blob that does not fit, and the upload is over', async () => {
      await using world = await openWorld(engine);
      await limit(world, 10);
      const blob = contentOf('eleven bytes');
      const upload = await world.uploads.start('local/a', { caller: 'ann', algorithm: 'sha256' });
      const key = { id: upload.id, caller: 'ann' };
      const source = Readable.from([blob.bytes]);

      const finishing = world.uploads.finish(
        'local/a',
        key,
        { digest: blob.digest, source },
        { signal },
      );

      await assert.rejects(finishing, refusal);
      await assert.rejects(world.uploads.status('local/a', key), { code: 'BLOB_UPLOAD_UNKNOWN' });
      assert.equal(await usedOf(world), 0);
      assert.deepEqual(await world.store.staged(), []);
    });

    it('takes what fits to the byte, and what is counted already', async () => {
      await using world = await openWorld(engine);
      const blob = contentOf('ten  bytes');
      await limit(world, 10);

      await keepBlob(world, 'local/a', blob);
      await keepBlob(world, 'local/b', blob);

      assert.equal(await usedOf(world), 10);
    });

    it('refuses a manifest, and nothing of it is there', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, 'local/a', 'one');
      await limit(world, (await usedOf(world)) + image.bytes.length - 1);

      await assert.rejects(push(world, 'local/a', image, { tag: 'v1' }), refusal);

      assert.deepEqual(await world.tags.list('local/a'), []);
    });

    it('refuses a mount from another project', async () => {
      await using world = await openWorld(engine);
      const blob = contentOf('from elsewhere');
      await keepBlob(world, 'docker.io/library/a', blob, 'cache');
      await limit(world, 3);

      const mounting = world.blobs.mount('local/a', blob.digest, 'docker.io/library/a');

      await assert.rejects(mounting, refusal);
    });

    it('lets no more through than fits when many push at once', async () => {
      await using world = await openWorld(engine);
      await limit(world, 35);
      const blobs = Array.from({ length: 10 }, (_, index) => contentOf(`ten bytes${index}`));

      const kept = await Promise.allSettled(
        blobs.map((blob, index) => keepBlob(world, `local/r${index}`, blob)),
      );

      assert.equal(kept.filter(({ status }) => status === 'fulfilled').length, 3);
      assert.equal(await usedOf(world), 30);
    });

    it('never refuses what is cached, and counts it', async () => {
      await using world = await openWorld(engine);
      await limit(world, 1, 'docker.io');
      const image = imageOf(contentOf('{}'), []);

      await arrive(world, 'docker.io/library/a', image, 'latest');
      await keepBlob(world, 'docker.io/library/a', contentOf('{}'), 'cache');

      assert.equal(await usedOf(world, 'docker.io'), image.bytes.length + 2);
    });
  });
}

async function limit({ database }: World, bytes: number, project = 'local'): Promise<void> {
  await database.write((transaction) =>
    transaction
      .updateTable('projects')
      .set({ storage_limit: bytes })
      .where('name', '=', project)
      .execute(),
  );
}

async function usedOf({ database }: World, project = 'local'): Promise<number> {
  const { storage_used } = await database.read
    .selectFrom('projects')
    .select('storage_used')
    .where('name', '=', project)
    .executeTakeFirstOrThrow();
  return storage_used;
}
