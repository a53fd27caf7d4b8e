import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { blobPassedThrough, evicted } from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import { until } from '../support/until.ts';
import { onSmallDisk } from './support/small-disk.ts';
import {
  addImage,
  BLOBS,
  HOUR,
  MINUTE,
  openWorld,
  PATH,
  REPOSITORY,
  START,
  soon,
  type World,
  type WorldOptions,
} from './support/world.ts';

const MIB = 1 << 20;

describe('eviction', () => {
  it('takes away what nobody read for the longest time, down to the low watermark of the budget', async () => {
    await using world = await openWorld({
      eviction: { maxBytes: '4MiB', highWatermark: 80, lowWatermark: 60 },
      disk: (store) => onSmallDisk(store, 100 * MIB),
    });
    const blobs = await pulled(world, 5);
    await world.blob(blobs[0] ?? '');
    const told: string[] = [];
    using _ = evicted.subscribe(({ digest }) => told.push(digest));

    await flushed(world);
    await world.node.evictions.run();

    assert.deepEqual(await kept(world, blobs), [true, false, false, true, true]);
    assert.deepEqual(told, blobs.slice(1, 3));
  });

  it('takes the bytes off the disk after the grace period, and fetches them again for who wants them then', async () => {
    await using world = await openWorld({ eviction: { maxBytes: '1B' } });
    const [digest] = await pulled(world, 1);
    await world.node.evictions.run();
    assert.equal(await world.node.store.size(digest), MIB);
    world.pass(2 * HOUR);

    await world.node.blobs.collect();

    assert.equal(await world.node.store.size(digest), undefined);
    await world.blob(digest);
    assert.equal(world.upstream.count({ method: 'GET', path: BLOBS }), 2);
  });

  it('does nothing below the watermarks', async () => {
    await using world = await openWorld({ eviction: { highWatermark: 99.99, lowWatermark: 99 } });
    const blobs = await pulled(world, 2);

    await world.node.evictions.run();

    assert.deepEqual(await kept(world, blobs), [true, true]);
  });

  it('follows the watermarks of the filesystem', async () => {
    await using world = await openWorld({ disk: (store) => onSmallDisk(store, 10 * MIB) });
    const blobs = await pulled(world, 9);

    await world.node.evictions.run();

    // 90 % are used: two go, and 70 % are left.
    assert.deepEqual((await kept(world, blobs)).filter((isKept) => isKept).length, 7);
    assert.deepEqual((await kept(world, blobs)).slice(0, 2), [false, false]);
  });

  it('never takes what was pushed here, though a cache has it too', async () => {
    await using world = await openWorld({ eviction: { maxBytes: '1B' } });
    const blobs = await pulled(world, 2);
    await world.node.blobs.mount('local/app', blobs[0] ?? 'sha256:', REPOSITORY);

    await world.node.evictions.run();
    world.pass(2 * HOUR);
    await world.node.blobs.collect();

    assert.deepEqual(await kept(world, blobs), [true, false]);
    assert.notEqual(await world.node.blobs.find('local/app', blobs[0] ?? 'sha256:'), undefined);
  });

  it('of a manifest that nobody wants has it fetched again for who wants it then', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, '3.20');
    const { bytes } = await world.manifest('3.20');
    await flushed(world);
    world.pass(HOUR);
    const { upstream, node } = world;
    assert.equal(await node.cachedManifests.evictIdle(START), 1);

    assert.deepEqual((await world.manifest('3.20')).bytes, bytes);

    assert.equal(upstream.count({ method: 'GET', path: new RegExp(manifest.digest) }), 2);
    assert.equal(await node.cachedManifests.evictIdle(START), 0);
  });

  it('breaks no pull in progress', async () => {
    await using world = await openWorld({ eviction: { maxBytes: '1B' } });
    const { digest, bytes } = await added(world);
    await world.blob(digest);
    await stored(world, digest);
    const signal = soon();
    await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
    await reader.read(Buffer.alloc(1000), 0, { signal });

    await flushed(world);
    await world.node.evictions.run();
    world.pass(2 * HOUR);
    await world.node.blobs.collect();

    assert.equal(await world.node.store.size(digest), undefined);
    assert.deepEqual(await readAll(reader, signal), bytes);
  });
});

describe('a disk without room', () => {
  it('gets some from cached blobs, at once, for one that comes', async () => {
    await using world = await smallWorld();
    const blobs = await pulled(world, 3);
    const { digest, bytes } = await added(world, 2 * MIB);

    assert.deepEqual(await world.blob(digest), bytes);

    await stored(world, digest);
    assert.equal((await kept(world, blobs)).at(0), false);
    assert.equal(world.upstream.count({ method: 'GET', path: BLOBS }), 4);
  });

  it('does not empty the cache for a blob that would not fit anyway: that is passed through', async () => {
    await using world = await smallWorld();
    const blobs = await pulled(world, 3);
    const { digest, bytes } = await added(world, 5 * MIB);
    const reasons: string[] = [];
    using _ = blobPassedThrough.subscribe(({ reason }) => reasons.push(reason));

    assert.deepEqual(await world.blob(digest), bytes);

    assert.deepEqual(await kept(world, blobs), [true, true, true]);
    assert.deepEqual(reasons, ['storage-full']);
    assert.deepEqual(await world.node.store.staged(), []);
  });

  it('is promised once: what comes at the same time and has no room left is passed through', async () => {
    await using world = await smallWorld();
    const both = [await added(world, 2.5 * MIB), await added(world, 2.5 * MIB)];
    // Slow enough for the second to begin before the first is whole, on a busy machine, too.
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: MIB });
    const reasons: string[] = [];
    using _ = blobPassedThrough.subscribe(({ reason }) => reasons.push(reason));

    const pulls = await Promise.all(both.map(({ digest }) => world.blob(digest)));

    assert.deepEqual(
      pulls,
      both.map(({ bytes }) => bytes),
    );
    assert.deepEqual(reasons, ['storage-full']);
    const digests = both.map(({ digest }) => digest);
    await until(async () => (await kept(world, digests)).includes(true));
    assert.equal((await kept(world, digests)).filter((isKept) => isKept).length, 1);
  });

  it('takes nothing away for a size that only a manifest claims', async () => {
    await using world = await smallWorld();
    const blobs = await pulled(world, 2);
    const { digest } = await added(world, 10);
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 * MIB };
    const liar = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [] };
    world.upstream.addManifest(PATH, liar, { tag: 'liar' });
    await world.manifest('liar');

    await assert.rejects(world.blob(digest), { code: 'UPSTREAM_UNAVAILABLE' });

    assert.deepEqual(await kept(world, blobs), [true, true]);
  });

  it('takes no more away than for what comes next, whatever size upstream claims', async () => {
    await using world = await smallWorld({ claimBytes: MIB / 2 });
    const blobs = await pulled(world, 3);
    const { digest, bytes } = await added(world, 3.5 * MIB);
    const stalling = world.upstream.behave({ path: BLOBS }, { stallAfter: MIB + 100_000 });
    const signal = soon();
    await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });

    assert.deepEqual(await readUpTo(reader, MIB), bytes.subarray(0, MIB));
    assert.deepEqual(await kept(world, blobs), [false, true, true]);

    await flushed(world);
    stalling[Symbol.dispose]();
    world.upstream.dropConnections();
    assert.deepEqual(await readAll(reader, signal, MIB), bytes.subarray(MIB));
    await stored(world, digest);
    assert.deepEqual(await kept(world, blobs), [false, false, false]);
  });

  it('keeps a blob that ran out of room on its way, once there is some again', async () => {
    await using world = await smallWorld();
    const blobs = await pulled(world, 1);
    const one = await added(world, 2.5 * MIB);
    const two = await added(world, 1.4 * MIB);
    const hold = Promise.withResolvers<void>();
    world.upstream.behave({ path: new RegExp(one.digest), times: 1 }, { hold: hold.promise });
    const slow = world.blob(one.digest);
    await until(() => world.upstream.count({ path: new RegExp(one.digest) }) > 0);
    await world.blob(two.digest);
    await stored(world, two.digest);
    hold.resolve();

    assert.deepEqual(await slow, one.bytes);

    await stored(world, one.digest);
    assert.deepEqual(await kept(world, blobs), [false]);
  });

  it('fails nobody when it is the disk itself that is full: reads go on from where they are', async () => {
    await using world = await openWorld({
      // It claims to have room, and then has not.
      disk: (store) => ({ ...onSmallDisk(store, MIB), space: () => store.space() }),
    });
    const { digest, bytes } = await added(world, 3 * MIB);

    const pulls = [1, 2, 3].map(() => world.blob(digest));

    for (const pulledBytes of await Promise.all(pulls)) assert.deepEqual(pulledBytes, bytes);
    await until(async () => (await world.node.store.staged()).length === 0);
    assert.equal(await world.node.blobs.find(REPOSITORY, digest), undefined);
  });
});

async function readUpTo(reader: Parameters<typeof readAll>[0], length: number): Promise<Buffer> {
  const signal = soon();
  const into = Buffer.alloc(length);
  for (let position = 0; position < length; ) {
    const came = await reader.read(into.subarray(position), position, { signal });
    assert.notEqual(came, 0);
    position += came;
  }
  return into;
}

/** Four MiB of disk, and no watermark that would interfere. */
function smallWorld(more: WorldOptions = {}) {
  const eviction = { highWatermark: 99, lowWatermark: 99 };
  return openWorld({ eviction, disk: (store) => onSmallDisk(store, 4 * MIB), ...more });
}

async function added({ upstream }: World, size: number = MIB) {
  const bytes = randomBytes(size);
  return { bytes, digest: upstream.addBlob(PATH, bytes).digest };
}

/** So many blobs of a MiB, read one minute after the other. */
async function pulled(world: World, count: 1): Promise<readonly [Digest]>;
async function pulled(world: World, count: number): Promise<readonly Digest[]>;
async function pulled(world: World, count: number): Promise<readonly Digest[]> {
  const digests: Digest[] = [];
  for (let index = 0; index < count; index++) {
    const { digest } = await added(world);
    await world.blob(digest);
    await stored(world, digest);
    digests.push(digest);
    world.pass(MINUTE);
  }
  await flushed(world);
  return digests;
}

/** It is not only served, but here. */
function stored({ node }: World, digest: Digest): Promise<void> {
  return until(async () => (await node.blobs.find(REPOSITORY, digest)) !== undefined);
}

/** When blobs were read is written. */
function flushed({ node }: World): Promise<void> {
  return node.accessTimes.flush();
}

function kept({ node }: World, digests: readonly Digest[]): Promise<readonly boolean[]> {
  return Promise.all(
    digests.map(async (digest) => (await node.blobs.find(REPOSITORY, digest)) !== undefined),
  );
}
