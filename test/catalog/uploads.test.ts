import assert from 'node:assert/strict';
import { appendFile, truncate } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import {
  app,
  assertGone,
  caller,
  content,
  digest,
  fileOf,
  part,
  signal,
  start,
  stored,
} from './upload-session.ts';
import { openWorld } from './world.ts';

for (const engine of databases) {
  describe(`an upload session on ${engine.name}`, () => {
    it('takes a blob in chunks and makes it found', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);

      const first = await world.uploads.append(app, session, part(0, 100_000), { signal });
      const second = await world.uploads.append(app, session, part(100_000, 250_000), {
        start: 100_000,
        length: 150_000,
        signal,
      });
      const last = { digest, source: part(250_000) };
      const finished = await world.uploads.finish(app, session, last, { signal });

      assert.deepEqual([first, second], [{ received: 100_000 }, { received: 250_000 }]);
      assert.deepEqual(finished, { size: content.length });
      assert.equal((await world.blobs.find(app, digest))?.size, content.length);
      assert.deepEqual(await stored(world), content);
      await assertGone(world, session);
    });

    it('takes it whole in one request, and with nothing left for the last one', async () => {
      await using world = await openWorld(engine);
      const whole = await start(world.uploads);
      await world.uploads.finish(app, whole, { digest, source: part(0) }, { signal });
      const patched = await start(world.uploads);
      await world.uploads.append(app, patched, part(0), { signal });

      const last = { digest, source: undefined };
      assert.deepEqual(await world.uploads.finish(app, patched, last, { signal }), {
        size: content.length,
      });
    });

    it('takes an empty blob', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const empty = digestOf(Buffer.alloc(0));

      const last = { digest: empty, source: undefined };
      assert.deepEqual(await world.uploads.finish(app, session, last, { signal }), { size: 0 });

      assert.equal((await world.blobs.find(app, empty))?.size, 0);
    });

    it('checks sha512, announced or not', async () => {
      await using world = await openWorld(engine);
      const sha512 = digestOf(content, 'sha512');
      for (const algorithm of ['sha512', 'sha256'] as const) {
        const session = { ...(await world.uploads.start(app, { caller, algorithm })), caller };
        await world.uploads.append(app, session, part(0, 200_000), { signal });

        const last = { digest: sha512, source: part(200_000) };
        await world.uploads.finish(app, session, last, { signal });
      }
      const session = await start(world.uploads);
      await world.uploads.finish(app, session, { digest: sha512, source: part(0) }, { signal });

      assert.equal((await world.blobs.find(app, sha512))?.size, content.length);
      assert.equal(await world.blobs.find(app, digest), undefined);
    });

    it('goes on after a restart where it was acknowledged, whatever else lies in the file', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      await world.uploads.append(app, session, part(0, 100_000), { signal });
      await appendFile(fileOf(world, session), 'written, but never acknowledged');
      const restarted = world.uploadsAfterRestart();

      assert.deepEqual(await restarted.status(app, session), { received: 100_000 });
      await restarted.append(app, session, part(100_000, 200_000), { start: 100_000, signal });
      await restarted.finish(app, session, { digest, source: part(200_000) }, { signal });

      assert.deepEqual(await stored(world), content);
    });

    it('is not there any more when its file lost acknowledged bytes', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      await world.uploads.append(app, session, part(0, 100_000), { signal });
      await truncate(fileOf(world, session), 99_999);

      await assert.rejects(world.uploads.append(app, session, part(100_000), { signal }), {
        code: 'BLOB_UPLOAD_UNKNOWN',
      });

      await assertGone(world, session);
    });

    it('survives a chunk that does not start where it ends', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      await world.uploads.append(app, session, part(0, 100), { signal });

      for (const offset of [0, 99, 101]) {
        const options = { start: offset, signal };
        const refused = { code: 'RANGE_INVALID', detail: { received: 100 } };
        await assert.rejects(world.uploads.append(app, session, part(offset), options), refused);
        const last = { digest, source: part(offset) };
        await assert.rejects(world.uploads.finish(app, session, last, options), refused);
      }

      assert.deepEqual(await world.uploads.status(app, session), { received: 100 });
      await world.uploads.finish(app, session, { digest, source: part(100) }, { signal });
    });

    it('survives a chunk of another length than was said, as if it had not come', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      await world.uploads.append(app, session, part(0, 100), { signal });

      for (const length of [199_999, 200_001]) {
        const options = { length, signal };
        await assert.rejects(world.uploads.append(app, session, part(100, 200_100), options), {
          code: 'SIZE_INVALID',
        });
        assert.deepEqual(await world.uploads.status(app, session), { received: 100 });
      }

      await world.uploads.finish(app, session, { digest, source: part(100) }, { signal });
      assert.deepEqual(await stored(world), content);
    });

    it('agrees with others that bring the same digest at the same time', async () => {
      await using world = await openWorld(engine);
      const repositories = [app, app, 'local/other', 'local/third'];

      await Promise.all(
        repositories.map(async (repository) => {
          const session = await start(world.uploads, repository);
          const last = { digest, source: part(0) };
          await world.uploads.finish(repository, session, last, { signal });
        }),
      );

      for (const repository of repositories) {
        assert.equal((await world.blobs.find(repository, digest))?.size, content.length);
      }
      assert.deepEqual(await stored(world), content);
      assert.deepEqual(await world.store.staged(), []);
    });

    it('takes chunks of any size in the order in which they come', async () => {
      await using world = await openWorld(engine);
      for (const size of [1_000, 40_000, 65_536, 70_000, 299_999]) {
        const session = await start(world.uploads);
        const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, index) =>
          content.subarray(index * size, (index + 1) * size),
        );

        await world.uploads.append(app, session, Readable.from(chunks.slice(0, 2)), { signal });
        const last = { digest, source: Readable.from(chunks.slice(2)) };
        await world.uploads.finish(app, session, last, { signal });
      }

      assert.deepEqual(await stored(world), content);
    });
  });
}
