import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import {
  type Content,
  called,
  contentOf,
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
  describe(`blobs on ${engine.name}`, () => {
    it('are found where they were kept, and only there', async () => {
      await using world = await openWorld(engine);

      await keepBlob(world, app, layer);

      assert.deepEqual(await world.blobs.find(app, layer.digest), { size });
      assert.equal(await world.blobs.find(other, layer.digest), undefined);
      assert.equal(await world.blobs.find(app, contentOf('else').digest), undefined);
      await using reader = await world.store.open(layer.digest);
      assert.deepEqual(reader.bytes, layer.bytes);
      assert.deepEqual(await world.store.staged(), []);
    });

    it('are found no more the moment after they were unlinked', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      await world.blobs.find(app, layer.digest);

      await world.blobs.unlink(app, layer.digest);

      assert.equal(await world.blobs.find(app, layer.digest), undefined);
      await assert.rejects(world.blobs.unlink(app, layer.digest), { code: 'BLOB_UNKNOWN' });
      await assert.rejects(world.blobs.unlink(other, layer.digest), { code: 'NAME_UNKNOWN' });
    });

    it('are mounted from a repository that has them, and from no other', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);

      assert.equal(await world.blobs.mount('local/a', layer.digest, other), false);
      assert.equal(await world.repositories.find('local/a'), undefined);
      assert.equal(await world.blobs.mount('local/a', layer.digest, app), true);
      assert.equal(await world.blobs.mount('local/a', layer.digest, app), true);

      assert.deepEqual(await world.blobs.find('local/a', layer.digest), { size });
      await assert.rejects(world.blobs.mount('nowhere/a', layer.digest, app), {
        code: 'NAME_UNKNOWN',
      });
    });

    it('are looked for in the named projects alone', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);

      assert.equal(await world.blobs.findIn(['docker.io', 'local'], layer.digest), app);
      assert.equal(await world.blobs.findIn(['docker.io'], layer.digest), undefined);
      assert.equal(await world.blobs.findIn([], layer.digest), undefined);
    });

    it('are linked once more without their bytes being brought again', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);

      await world.blobs.link('docker.io/library/a', layer.digest, 'cache');

      assert.deepEqual(await world.blobs.find('docker.io/library/a', layer.digest), { size });
      await assert.rejects(world.blobs.link(app, contentOf('else').digest, 'cache'), {
        code: 'BLOB_UNKNOWN',
      });
    });

    it('may be kept twice at once, and agree', async () => {
      await using world = await openWorld(engine);

      await Promise.all([app, app, other].map((name) => keepBlob(world, name, layer)));

      assert.deepEqual(await world.blobs.find(app, layer.digest), { size });
      assert.deepEqual(await world.blobs.find(other, layer.digest), { size });
      assert.deepEqual(await world.store.staged(), []);
    });

    it('leave a condemned row when the way in breaks off, and none that anybody finds', async () => {
      await using world = await openWorld(engine);
      await writeFile(join(world.path, 'blobs', 'sha256'), 'in the way');

      await assert.rejects(keepBlob(world, app, layer), { code: 'ENOTDIR' });

      assert.equal(await world.blobs.find(app, layer.digest), undefined);
      assert.deepEqual(await stateOf(world, layer), { state: 'condemned', at: world.clock.at });
    });
  });

  describe(`what a project counts on ${engine.name}`, () => {
    it('is each digest once, until its last repository lets go of it', async () => {
      await using world = await openWorld(engine);
      const project = (await world.projects.get('local'))?.id ?? assert.fail();
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tag: 'latest' });
      for (const { digest } of [image.layer, image.config]) {
        await world.blobs.mount(other, digest, app);
      }
      await push(world, other, image, { tag: 'latest' });

      const all = [image, image.layer, image.config];
      assert.deepEqual(await contentsOf(world), new Map(all.map(countedAs)));
      await world.blobs.unlink(app, image.layer.digest);
      await world.manifests.remove(app, image.digest, called('bob'));
      assert.deepEqual(await contentsOf(world), new Map(all.map(countedAs)));
      assert.equal(await world.blobs.heldByProject(project, image.layer.digest), true);
      assert.equal(await world.blobs.heldByProject(project + 1, image.layer.digest), false);
      await world.blobs.unlink(other, image.layer.digest);
      await world.manifests.remove(other, image.digest, called('bob'));

      assert.deepEqual(await contentsOf(world), new Map([image.config].map(countedAs)));
      assert.equal(await world.blobs.heldByProject(project, image.layer.digest), false);
    });
  });

  describe(`repositories on ${engine.name}`, () => {
    it('are listed by name once they hold a manifest, of the named projects', async () => {
      await using world = await openWorld(engine);
      const names = ['local/b', 'local/a/c', 'local/a', 'docker.io/library/a'];
      for (const name of names) {
        await push(world, name, imageOf(contentOf('absent'), []), { references: 'sparse' });
      }
      await keepBlob(world, 'local/blobs-only', layer);
      const all = (await world.projects.list()).map(({ name }) => name);

      assert.deepEqual(await world.repositories.list({ projects: all }), names.toSorted());
      const page = { projects: ['local'], last: 'local/a', limit: 1 };
      assert.deepEqual(await world.repositories.list(page), ['local/a/c']);
      assert.deepEqual(await world.repositories.list({ projects: ['local'], limit: 0 }), []);
      assert.deepEqual(await world.repositories.list({ projects: [] }), []);
    });
  });
}

async function contentsOf({ database }: World): Promise<ReadonlyMap<string, number>> {
  const rows = await database.read.selectFrom('project_contents').selectAll().execute();
  return new Map(rows.map((row) => [row.digest, row.size]));
}

function countedAs({ digest, bytes }: Content): [string, number] {
  return [digest, bytes.length];
}
