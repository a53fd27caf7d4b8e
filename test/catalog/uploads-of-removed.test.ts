import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import { app, content, digest, feeding, signal, start } from './upload-session.ts';
import { openWorld, stateOf, type World } from './world.ts';

for (const engine of databases) {
  describe(`an upload whose repository is removed meanwhile, on ${engine.name}`, () => {
    it('acknowledges no chunk any more', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const source = feeding(content.subarray(0, 1000));
      const append = world.uploads.append(app, session, source, { signal });
      await source.taken;

      await removeRepository(world);
      source.push(null);

      await assert.rejects(append, { code: 'BLOB_UPLOAD_UNKNOWN', detail: { id: session.id } });
      await assertNothing(world);
    });

    it('makes neither a blob nor the repository anew when it is finished', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const source = feeding(content);
      const finish = world.uploads.finish(app, session, { digest, source }, { signal });
      await source.taken;

      await removeRepository(world);
      source.push(null);

      await assert.rejects(finish, { code: 'BLOB_UPLOAD_UNKNOWN', detail: { id: session.id } });
      await assertNothing(world);
      const row = await stateOf(world, { digest, bytes: content });
      assert.deepEqual(row, { state: 'condemned', at: world.clock.at });
    });
  });
}

async function removeRepository({ database }: World): Promise<void> {
  await database.write((transaction) =>
    transaction.deleteFrom('repositories').where('name', '=', app).execute(),
  );
}

async function assertNothing(world: World): Promise<void> {
  assert.equal(await world.repositories.find(app), undefined);
  assert.equal(await world.blobs.find(app, digest), undefined);
  assert.deepEqual(await readdir(join(world.path, 'staging')), []);
}
