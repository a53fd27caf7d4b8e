import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { databases } from '../support/databases.ts';
import {
  app,
  assertGone,
  content,
  digest,
  feeding,
  fileOf,
  part,
  signal,
  start,
  stored,
} from './upload-session.ts';
import { HOUR, openWorld } from './world.ts';

for (const engine of databases) {
  describe(`the end of an upload session on ${engine.name}`, () => {
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
  });
}
