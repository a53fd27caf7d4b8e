import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KyselyPlugin } from 'kysely';
import { removeRepository } from '../../src/catalog/repository-removal.ts';
import { databases } from '../support/databases.ts';
import { changesOf, contentOf, imageOf, keepBlob, openWorld, push, stateOf } from './world.ts';

const app = 'local/app';
const other = 'local/other';
const act = { actor: 'ann', cause: 'api', at: 1 } as const;

for (const engine of databases) {
  describe(`the removal of a repository on ${engine.name}`, () => {
    it('takes as few statements for many manifests as for some, and tells of all of them', async () => {
      await using world = await openWorld(engine);
      const config = contentOf('{}');
      const shared = contentOf('shared');
      for (const blob of [config, shared]) await keepBlob(world, other, blob);
      await push(world, other, imageOf(config, [shared]));
      for (const blob of [config, shared]) await keepBlob(world, app, blob);
      const layers = Array.from({ length: 30 }, (_, index) => contentOf(`layer ${index}`));
      for (const [index, layer] of layers.entries()) {
        await keepBlob(world, app, layer);
        await push(world, app, imageOf(config, [layer]), { tag: `v${index}` });
      }
      await push(world, app, imageOf(config, [shared]));
      const before = await changesOf(world);
      let statements = 0;
      const counting: KyselyPlugin = {
        transformQuery({ node }) {
          statements += 1;
          return node;
        },
        transformResult: async ({ result }) => result,
      };

      const repository = await world.repositories.find(app);
      assert.ok(repository);
      await world.database.write((transaction) =>
        removeRepository(transaction.withPlugin(counting), repository, act),
      );

      assert.ok(statements < 30, `${statements} statements`);
      const changes = (await changesOf(world)).slice(before.length);
      assert.deepEqual(
        changes.map(({ kind }) => kind),
        [
          ...layers.map(() => 'tag-deleted'),
          ...layers.map(() => 'manifest-deleted'),
          'manifest-deleted',
        ],
      );
      assert.deepEqual(
        changes.map(({ seq }) => seq),
        changes.map((_, index) => before.length + 1 + index),
      );
      for (const layer of layers) {
        assert.deepEqual(await stateOf(world, layer), { state: 'condemned', at: act.at });
      }
      assert.deepEqual(await stateOf(world, shared), { state: 'present', at: null });
      await assertLeft(world, imageOf(config, [shared]).bytes.length, [config, shared]);
    });
  });
}

/** Of one image of these blobs, and what the project counts. */
async function assertLeft(
  { database }: Awaited<ReturnType<typeof openWorld>>,
  manifestSize: number,
  blobs: readonly { readonly bytes: Buffer }[],
): Promise<void> {
  const { read } = database;
  assert.equal((await read.selectFrom('manifest_bytes').select('digest').execute()).length, 1);
  const contents = await read.selectFrom('project_contents').select('digest').execute();
  assert.equal(contents.length, 1 + blobs.length);
  const project = await read
    .selectFrom('projects')
    .select('storage_used')
    .where('name', '=', 'local')
    .executeTakeFirst();
  const sizes = blobs.map(({ bytes }) => bytes.length);
  assert.equal(
    project?.storage_used,
    [manifestSize, ...sizes].reduce((sum, size) => sum + size),
  );
}
