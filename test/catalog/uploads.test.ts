import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, readdir, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import type { Uploads } from '../../src/catalog/uploads.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import { HOUR, openWorld, type World } from './world.ts';

const app = 'local/app';
const caller = 'alice';
const signal = AbortSignal.timeout(600_000);
const content = randomBytes(300_000);
const digest = digestOf(content);

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

    it('ends when the content has another digest, and leaves nothing behind', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);

      const last = { digest: digestOf(Buffer.from('else')), source: part(0) };
      await assert.rejects(world.uploads.finish(app, session, last, { signal }), {
        code: 'DIGEST_INVALID',
      });

      await assertGone(world, session);
      assert.equal(await world.blobs.find(app, digest), undefined);
    });

    it('keeps what had come when the client breaks off', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const lost = new Error('client went away');
      const breaking = feeding(content.subarray(0, 150_000));

      const append = world.uploads.append(app, session, breaking, { signal });
      await breaking.taken;
      breaking.destroy(lost);
      await assert.rejects(append, lost);

      assert.deepEqual(await world.uploads.status(app, session), { received: 150_000 });
      await world.uploads.finish(app, session, { digest, source: part(150_000) }, { signal });
      assert.deepEqual(await stored(world), content);
    });

    it('keeps what had come when the request is aborted, also the last one', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const abort = new AbortController();
      const reason = new Error('the node stops');
      const stalling = feeding(content.subarray(0, 70_000));

      const last = { digest, source: stalling };
      const finish = world.uploads.finish(app, session, last, { signal: abort.signal });
      await stalling.taken;
      abort.abort(reason);
      await assert.rejects(finish, reason);

      assert.deepEqual(await world.uploads.status(app, session), { received: 70_000 });
    });

    it('lets one request send at a time, but a client that comes back wait for its former self', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const sending = feeding(content.subarray(0, 70_000));
      const first = world.uploads.append(app, session, sending, { signal });
      await sending.taken;

      await assert.rejects(world.uploads.append(app, session, part(0), { signal }), {
        code: 'BLOB_UPLOAD_INVALID',
      });
      assert.deepEqual(await world.uploads.status(app, session), { received: 0 });
      sending.destroy(new Error('client went away'));
      const second = world.uploads.append(app, session, part(70_000), { start: 70_000, signal });

      await assert.rejects(first, { message: 'client went away' });
      assert.deepEqual(await second, { received: content.length });
    });

    it('belongs to its repository and to its caller', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const strangers = [
        [app, { ...session, caller: 'mallory' }],
        ['local/other', session],
        [app, { ...session, id: 'no-such-session' }],
      ] as const;

      for (const [repository, key] of strangers) {
        const unknown = { code: 'BLOB_UPLOAD_UNKNOWN' };
        await assert.rejects(world.uploads.status(repository, key), unknown);
        await assert.rejects(world.uploads.append(repository, key, part(0), { signal }), unknown);
        const last = { digest, source: part(0) };
        await assert.rejects(world.uploads.finish(repository, key, last, { signal }), unknown);
        await assert.rejects(world.uploads.cancel(repository, key), unknown);
      }

      await assert.rejects(start(world.uploads, 'nowhere/app'), { code: 'NAME_UNKNOWN' });
      assert.deepEqual(await world.uploads.status(app, session), { received: 0 });
    });

    it('may be cancelled, also under a request that is sending', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      const sending = feeding(content.subarray(0, 70_000));
      const append = world.uploads.append(app, session, sending, { signal });
      await sending.taken;

      await Promise.all([
        assert.rejects(append, { code: 'BLOB_UPLOAD_UNKNOWN' }),
        world.uploads.cancel(app, session),
      ]);

      await assertGone(world, session);
    });

    it('expires when nobody adds to it, and not before', async () => {
      await using world = await openWorld(engine);
      const idle = await start(world.uploads);
      await world.uploads.append(app, idle, part(0, 100), { signal });
      const empty = await start(world.uploads);
      const sending = await start(world.uploads);
      const source = feeding(content.subarray(0, 70_000));
      const append = world.uploads.append(app, sending, source, { signal });
      await source.taken;
      world.clock.at += 24 * HOUR;
      const young = await start(world.uploads);

      assert.equal(await world.uploads.expire(world.clock.at - 24 * HOUR), 0);
      assert.equal(await world.uploads.expire(world.clock.at), 2);

      for (const session of [idle, empty]) await assertGone(world, session);
      source.push(null);
      assert.deepEqual(await append, { received: 70_000 });
      assert.deepEqual(await world.uploads.status(app, young), { received: 0 });
    });

    it('says STORAGE_FULL when there is no room, and leaves nothing in the way', async () => {
      await using world = await openWorld(engine);
      const session = await start(world.uploads);
      // The kernel's own device that answers ENOSPC to every write: a full disk that needs no root.
      await symlink('/dev/full', fileOf(world, session));

      await assert.rejects(world.uploads.append(app, session, part(0), { signal }), {
        code: 'STORAGE_FULL',
      });

      await assertGone(world, session);
      const next = await start(world.uploads);
      await world.uploads.finish(app, next, { digest, source: part(0) }, { signal });
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

async function start(uploads: Uploads, repository = app) {
  const { id } = await uploads.start(repository, { caller, algorithm: 'sha256' });
  return { id, caller };
}

function part(from: number, to?: number): Readable {
  return Readable.from([content.subarray(from, to)]);
}

/** Gives these bytes, and then nothing until somebody ends it; `taken` resolves when they are asked for more. */
function feeding(bytes: Buffer) {
  const { promise: taken, resolve } = Promise.withResolvers<void>();
  let isGiven = false;
  const source = new Readable({
    read() {
      if (isGiven) resolve();
      else this.push(bytes);
      isGiven = true;
    },
  });
  return Object.assign(source, { taken });
}

function fileOf(world: World, { id }: { id: string }): string {
  return join(world.path, 'staging', id);
}

async function stored({ store }: World): Promise<Buffer> {
  await using reader = await store.open(digest);
  const bytes = Buffer.alloc(reader.size);
  for (let position = 0; position < reader.size; ) {
    position += await reader.read(bytes.subarray(position), position, { signal });
  }
  return bytes;
}

async function assertGone(world: World, session: { id: string; caller: string }): Promise<void> {
  await assert.rejects(world.uploads.status(app, session), { code: 'BLOB_UPLOAD_UNKNOWN' });
  assert.ok(!(await readdir(join(world.path, 'staging'))).includes(session.id));
}
