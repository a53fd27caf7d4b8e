import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLeftUploads } from '../../src/catalog/left-uploads.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';

const DAY_MS = 24 * 60 * 60_000;
const NAME = {
  registry: 'https://registry.example/',
  repository: 'team/app',
  digest: digestOf(Buffer.from('layer')),
};
const UPLOAD = { url: 'https://registry.example/v2/team/app/blobs/uploads/1', leastChunkBytes: 5 };

for (const engine of databases) {
  describe(`an upload that was left, on ${engine.name}`, () => {
    it('is found by registry, repository and digest until it is done', async () => {
      await using database = await engine.open();
      const uploads = createLeftUploads({ database, now: Date.now, keptMs: DAY_MS });
      await uploads.keep(NAME, UPLOAD);

      assert.deepEqual(await uploads.find(NAME), UPLOAD);
      assert.equal(await uploads.find({ ...NAME, repository: 'team/other' }), undefined);
      assert.equal(await uploads.find({ ...NAME, registry: 'https://other/' }), undefined);
      await uploads.forget(NAME);
      await uploads.forget(NAME);
      assert.equal(await uploads.find(NAME), undefined);
    });

    it('gives way to a newer one', async () => {
      await using database = await engine.open();
      const uploads = createLeftUploads({ database, now: Date.now, keptMs: DAY_MS });
      await uploads.keep(NAME, UPLOAD);
      await uploads.keep(NAME, { ...UPLOAD, leastChunkBytes: 0 });

      assert.deepEqual(await uploads.find(NAME), { ...UPLOAD, leastChunkBytes: 0 });
    });

    it('is as old as it was when its session is elsewhere', async () => {
      await using database = await engine.open();
      let now = 1_000;
      const uploads = createLeftUploads({ database, now: () => now, keptMs: DAY_MS });
      await uploads.keep(NAME, UPLOAD);
      now += DAY_MS - 1;
      await uploads.moved(NAME, 'https://registry.example/2');
      await uploads.moved({ ...NAME, repository: 'team/other' }, 'https://registry.example/3');

      assert.deepEqual(await uploads.find(NAME), { ...UPLOAD, url: 'https://registry.example/2' });
      now += 1;
      assert.equal(await uploads.find(NAME), undefined);
    });

    it('is forgotten after its time, and removed when another comes', async () => {
      await using database = await engine.open();
      let now = 1_000;
      const uploads = createLeftUploads({ database, now: () => now, keptMs: DAY_MS });
      await uploads.keep(NAME, UPLOAD);
      now += DAY_MS;

      assert.equal(await uploads.find(NAME), undefined);
      await uploads.keep({ ...NAME, repository: 'team/other' }, UPLOAD);
      const left = await database.read.selectFrom('left_uploads').select('repository').execute();
      assert.deepEqual(
        left.map(({ repository }) => repository),
        ['team/other'],
      );
    });
  });
}
