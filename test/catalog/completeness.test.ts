import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import {
  type Content,
  called,
  contentOf,
  imageOf,
  imageWithBlobs,
  indexOf,
  keepBlob,
  openWorld,
  push,
  type World,
} from './world.ts';

const app = 'local/app';
const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

for (const engine of databases) {
  describe(`whether a manifest is complete, on ${engine.name}`, () => {
    it('follows the blobs that it needs, without a look at any manifest', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image);
      await garble(world);

      await world.blobs.unlink(app, image.layer.digest);
      await world.blobs.unlink(app, image.config.digest);
      assert.equal(await isComplete(world, image), false);
      await keepBlob(world, app, image.layer);
      assert.equal(await isComplete(world, image), false);
      await keepBlob(world, app, image.config);
      assert.equal(await isComplete(world, image), true);
    });

    it('follows the manifests that it needs, and only those that are here as such', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      const index = indexOf([image]);
      await push(world, app, index, { references: 'sparse' });
      await garble(world);
      await keepBlob(world, app, image);
      assert.equal(await isComplete(world, index), false);

      await push(world, app, image);
      assert.equal(await isComplete(world, index), true);
      await world.blobs.unlink(app, image.digest);
      assert.equal(await isComplete(world, index), true);
    });

    it('does not ask for what may be elsewhere', async () => {
      await using world = await openWorld(engine);
      const config = contentOf('{}');
      const layer = contentOf('elsewhere');
      await keepBlob(world, app, config);
      const { digest } = layer;
      const image = imageOf(config, [], { layers: [{ mediaType: FOREIGN, digest, size: 9 }] });
      await push(world, app, image);
      await garble(world);

      await keepBlob(world, app, layer);
      await world.blobs.unlink(app, digest);
      assert.equal(await isComplete(world, image), true);
      await world.blobs.unlink(app, config.digest);
      assert.equal(await isComplete(world, image), false);
      await keepBlob(world, app, config);
      assert.equal(await isComplete(world, image), true);
    });

    it('is of its own repository', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      const child = indexOf([image]);
      await push(world, 'local/other', image, { references: 'sparse' });
      await push(world, 'local/other', child, { references: 'sparse' });
      await push(world, app, image);

      await world.manifests.remove(app, image.digest, called('alice'));

      assert.equal(await isComplete(world, image, 'local/other'), false);
      assert.equal(await isComplete(world, child, 'local/other'), true);
    });
  });
}

/** From here on what reads the bytes of a manifest fails. */
async function garble({ database }: World): Promise<void> {
  await database.write((transaction) =>
    transaction
      .updateTable('manifest_bytes')
      .set({ bytes: Buffer.from('no JSON') })
      .execute(),
  );
}

async function isComplete({ database }: World, { digest }: Content, repository = app) {
  const { complete } = await database.read
    .selectFrom('manifests')
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select('complete')
    .where('name', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirstOrThrow();
  return complete === 1;
}
