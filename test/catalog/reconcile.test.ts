import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { reconcile } from '../../src/catalog/reconcile.ts';
import { databases } from '../support/databases.ts';
import { contentOf, openWorld, type World } from './world.ts';

const repository = 'docker.io/library/alpine';
const signal = AbortSignal.timeout(600_000);

for (const engine of databases) {
  describe(`fills on ${engine.name}`, () => {
    it('are written down with what has come of them, until they are over', async () => {
      await using world = await openWorld(engine);
      const [one, two] = [fillOf('one'), fillOf('two')];
      await world.fills.start(one);
      world.clock.at += 1;
      await world.fills.start(two);

      await world.fills.progress(one.digest, [
        [0, 10],
        [20, 30],
      ]);

      assert.deepEqual(await world.fills.list(), [
        {
          ...one,
          startedAt: world.clock.at - 1,
          intervals: [
            [0, 10],
            [20, 30],
          ],
        },
        { ...two, startedAt: world.clock.at },
      ]);
      await assert.rejects(world.fills.start(two));
      await world.fills.finish(one.digest);
      await world.fills.finish(one.digest);
      assert.deepEqual(
        (await world.fills.list()).map(({ digest }) => digest),
        [two.digest],
      );
    });
  });

  describe(`a start after a crash on ${engine.name}`, () => {
    it('keeps what is on its way, with file and row', async () => {
      await using world = await openWorld(engine);
      const session = await startUpload(world);
      await world.uploads.append('local/app', session, Readable.from([Buffer.from('abc')]), {
        signal,
      });
      const empty = await startUpload(world);
      const fill = fillOf('one');
      await world.fills.start(fill);
      await writeFile(join(world.path, 'staging', fill.staged), 'some');

      const outcome = await reconcile(world.database, world.store);

      assert.deepEqual(outcome, { removedFiles: 0, droppedUploads: 0, droppedFills: 0 });
      assert.deepEqual(await world.uploads.status('local/app', session), { received: 3 });
      assert.deepEqual(await world.uploads.status('local/app', empty), { received: 0 });
      assert.equal((await world.fills.list()).length, 1);
    });

    it('removes files that nobody knows, and rows whose file is gone', async () => {
      await using world = await openWorld(engine);
      const session = await startUpload(world);
      await world.uploads.append('local/app', session, Readable.from([Buffer.from('abc')]), {
        signal,
      });
      await rm(join(world.path, 'staging', session.id));
      await world.fills.start(fillOf('one'));
      await writeFile(join(world.path, 'staging', 'orphan'), 'of a crash');

      const outcome = await reconcile(world.database, world.store);

      assert.deepEqual(outcome, { removedFiles: 1, droppedUploads: 1, droppedFills: 1 });
      assert.deepEqual(await world.store.staged(), []);
      assert.deepEqual(await world.fills.list(), []);
      await assert.rejects(world.uploads.status('local/app', session), {
        code: 'BLOB_UPLOAD_UNKNOWN',
      });
    });
  });
}

function fillOf(text: string) {
  const { digest, bytes } = contentOf(text);
  return { digest, repository, size: bytes.length, staged: `fill-${text}`, intervals: [] };
}

async function startUpload({ uploads }: World) {
  const caller = 'alice';
  return { ...(await uploads.start('local/app', { caller, algorithm: 'sha256' })), caller };
}
