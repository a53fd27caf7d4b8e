import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { blobPassedThrough } from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import { until } from '../support/until.ts';
import { BLOBS, openWorld, PATH, pulledImage, REPOSITORY, sizeOf, soon } from './support/world.ts';

describe('a blob that cannot be kept', () => {
  it('is passed through when it is larger than the project keeps', async () => {
    await using world = await openWorld({ settings: { maxBlobSize: '1MiB' } });
    const { layer, digest } = await pulledImage(world, (1 << 20) + 1);
    const reasons: string[] = [];
    using _ = blobPassedThrough.subscribe(({ reason }) => reasons.push(reason));

    assert.deepEqual(await world.blob(digest), layer);

    assert.equal(await world.node.blobs.find(REPOSITORY, digest), undefined);
    assert.deepEqual(await world.node.store.staged(), []);
    assert.deepEqual(reasons, ['too-large']);
  });

  it('is passed through from where the client begins', async () => {
    await using world = await openWorld({ settings: { maxBlobSize: '1KiB' } });
    const { layer, digest } = await pulledImage(world, 3 << 20);
    const signal = soon();
    await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: false, signal });
    const into = Buffer.alloc(1000);

    const length = await reader.read(into, 2 << 20, { signal });

    assert.deepEqual(into.subarray(0, length), layer.subarray(2 << 20, (2 << 20) + length));
    assert.match(world.upstream.seen({ path: BLOBS })[0]?.headers.range ?? '', /^bytes=2097152-/);
  });

  it('is passed through whole although upstream breaks off and ignores ranges', async () => {
    await using world = await openWorld({ settings: { maxBlobSize: '1KiB' } });
    const { layer, digest } = await pulledImage(world, 1 << 20);
    world.upstream.behave({ path: BLOBS }, { ignoreRange: true });
    world.upstream.behave({ path: BLOBS, times: 2 }, { cutAfter: 400_000, ignoreRange: true });

    assert.deepEqual(await world.blob(digest), layer);
  });

  for (const [name, how] of [
    ['has other bytes', { corrupt: true }],
    ['ends before the first byte', { cutAfter: 0 }],
    ['has another size', { shorterBy: 5 }],
    ['is away', { status: 500 }],
  ] as const) {
    it(`never becomes a whole wrong file where upstream ${name}`, async () => {
      await using world = await openWorld({ settings: { maxBlobSize: '1KiB' } });
      const { digest } = await pulledImage(world, 1 << 20);
      for (const peer of [world.upstream, world.mirror]) peer.behave({ path: BLOBS }, how);

      await assert.rejects(world.blob(digest), { code: 'UPSTREAM_UNAVAILABLE' });
    });
  }

  describe('because upstream does not say how large it is', () => {
    const content = randomBytes(1 << 20);
    const unsaid = { sayNoLength: true, ignoreRange: true };

    it('is passed through, and HEAD does not say it either', async () => {
      await using world = await openWorld();
      const { digest } = world.upstream.addBlob(PATH, content);
      world.upstream.behave({ path: BLOBS }, unsaid);
      const reasons: string[] = [];
      using _ = blobPassedThrough.subscribe(({ reason }) => reasons.push(reason));

      assert.equal(await sizeOf(world, digest), undefined);
      assert.deepEqual(await world.blob(digest), content);

      assert.deepEqual(reasons, ['unknown-size']);
      assert.equal(await world.isKnown(REPOSITORY), false);
    });

    it('goes on where upstream breaks off', async () => {
      await using world = await openWorld();
      const { digest } = world.upstream.addBlob(PATH, content);
      world.upstream.behave({ path: BLOBS }, unsaid);
      world.upstream.behave(
        { method: 'GET', path: BLOBS, times: 2 },
        { ...unsaid, cutAfter: 300_000 },
      );

      assert.deepEqual(await world.blob(digest), content);
    });

    it('has no end where it is not the blob', async () => {
      await using world = await openWorld();
      const { digest } = world.upstream.addBlob(PATH, content);
      world.upstream.behave({ path: BLOBS }, { ...unsaid, shorterBy: 10 });

      await assert.rejects(world.blob(digest), { code: 'UPSTREAM_UNAVAILABLE' });
    });
  });

  it('ends its transfer when its client leaves', async () => {
    await using world = await openWorld({ settings: { maxBlobSize: '1KiB' } });
    const { digest } = await pulledImage(world, 1 << 20);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 1000 });
    const leaving = new AbortController();
    const { signal } = leaving;
    {
      await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
      await reader.read(Buffer.alloc(1000), 0, { signal });
      const waiting = reader.read(Buffer.alloc(1000), 1000, { signal });
      leaving.abort(new Error('gone'));
      await assert.rejects(waiting, { message: 'gone' });
    }

    await until(() => world.upstream.seen({ path: BLOBS }).every(({ isOver }) => isOver));
  });

  describe('and is read slowly', () => {
    const settings = { maxBlobSize: '1MiB' };
    const slowly = { settings, limits: { passedSlots: 1, blobSlots: 1 } };

    it('holds up no blob that is kept', async () => {
      await using world = await openWorld(slowly);
      const { digest } = await pulledImage(world, 3 << 20);
      const kept = world.upstream.addBlob(PATH, randomBytes(1000));
      const signal = soon();
      await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
      await reader.read(Buffer.alloc(1000), 0, { signal });

      assert.equal((await world.blob(kept.digest)).length, 1000);
    });

    it('lets others have its turn, and goes on where it was', async () => {
      await using world = await openWorld({ ...slowly, readerPaceMs: 20 });
      const { digest, layer } = await pulledImage(world, 3 << 20);
      const signal = soon();
      await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
      const first = Buffer.alloc(1000);
      await reader.read(first, 0, { signal });

      assert.deepEqual(await world.blob(digest), layer);

      const rest = await readAll(reader, signal, 1000);
      assert.deepEqual(Buffer.concat([first, rest]), layer);
      const ranges = world.upstream.seen({ path: BLOBS }).map(({ headers }) => headers.range);
      assert.deepEqual(ranges, [undefined, undefined, 'bytes=1000-']);
    });

    it('ends where upstream would have to send all of it again', async () => {
      await using world = await openWorld({ ...slowly, readerPaceMs: 20 });
      const { digest } = await pulledImage(world, 3 << 20);
      world.upstream.behave({ path: BLOBS }, { ignoreRange: true });
      const signal = soon();
      await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
      await reader.read(Buffer.alloc(1000), 0, { signal });
      await until(() => world.upstream.seen({ path: BLOBS }).every(({ isOver }) => isOver));
      await world.blob(digest);

      await assert.rejects(readAll(reader, signal, 1000), { code: 'UPSTREAM_TIMEOUT' });
    });

    it('is not given up for an upstream that is slow', async () => {
      await using world = await openWorld({ ...slowly, readerPaceMs: 20 });
      const { digest, layer } = await pulledImage(world, (1 << 20) + 1);
      world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 2 << 20 });

      assert.deepEqual(await world.blob(digest), layer);

      assert.equal(world.upstream.count({ path: BLOBS }), 1);
    });
  });
});
