import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { cacheDecided } from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import { until } from '../support/until.ts';
import {
  BLOBS,
  MINUTE,
  openWorld,
  PATH,
  pulledImage,
  REPOSITORY,
  sizeOf,
  soon,
  type World,
} from './support/world.ts';

describe('a blob of a proxy project', () => {
  it('is fetched once, whoever asks, and stays', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world);

    for (const bytes of await Promise.all([1, 2, 3].map(() => world.blob(digest)))) {
      assert.deepEqual(bytes, layer);
    }
    await world.restart();
    assert.deepEqual(await world.blob(digest), layer);

    assert.deepEqual(requests(world), ['GET']);
  });

  it('is as large as its manifest says: HEAD asks nobody and downloads nothing', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world);

    assert.equal(await sizeOf(world, digest), layer.length);

    assert.deepEqual(requests(world), []);
  });

  it('of no manifest that is here is looked up upstream by HEAD', async () => {
    await using world = await openWorld();
    const { digest } = world.upstream.addBlob(PATH, Buffer.from('content'));

    assert.equal(await sizeOf(world, digest), 7);
    assert.equal((await world.blob(digest)).toString(), 'content');

    assert.deepEqual(requests(world), ['HEAD', 'HEAD', 'GET']);
  });

  for (const [name, how] of [
    ['refuses HEAD', { status: 405 }],
    ['answers HEAD without a length', { headers: { 'content-length': '' } }],
    ['answers HEAD with a length of 0', { headers: { 'content-length': '0' } }],
  ] as const) {
    it(`is fetched from an upstream that ${name}`, async () => {
      await using world = await openWorld();
      const { digest } = world.upstream.addBlob(PATH, Buffer.from('content'));
      world.upstream.behave({ method: 'HEAD' }, how);

      assert.equal(await sizeOf(world, digest), 7);
      assert.equal((await world.blob(digest)).toString(), 'content');
    });
  }

  it('may be empty', async () => {
    await using world = await openWorld();
    const { digest } = world.upstream.addBlob(PATH, Buffer.alloc(0));

    assert.equal(await sizeOf(world, digest), 0);
    assert.equal((await world.blob(digest)).length, 0);
  });

  it('is looked up once for all that ask at the same time', async () => {
    await using world = await openWorld();
    const { digest } = world.upstream.addBlob(PATH, Buffer.from('content'));

    await Promise.all(Array.from({ length: 10 }, () => world.blob(digest)));

    assert.deepEqual(requests(world), ['HEAD', 'GET']);
  });

  it('is unknown where upstream does not have it, and leaves nothing behind', async () => {
    await using world = await openWorld();
    const digest = digestOf(Buffer.from('nothing'));

    await assert.rejects(world.blob(digest), { code: 'BLOB_UNKNOWN' });
    await assert.rejects(sizeOf(world, digest), { code: 'BLOB_UNKNOWN' });

    assert.equal(await world.isKnown(REPOSITORY), false);
    assert.deepEqual(await world.node.store.staged(), []);
  });

  it('comes from the second mirror where the first fails, and not where that says 404', async () => {
    await using world = await openWorld();
    const { digest } = world.mirror.addBlob(PATH, Buffer.from('content'));
    await assert.rejects(world.blob(digest), { code: 'BLOB_UNKNOWN' });
    world.pass(MINUTE);
    world.upstream.behave({}, { status: 500 });

    assert.equal((await world.blob(digest)).toString(), 'content');
  });

  for (const [how, code] of [
    [{ status: 500 }, 'UPSTREAM_UNAVAILABLE'],
    [{ status: 429, headers: { 'retry-after': '9' } }, 'TOOMANYREQUESTS'],
    [{ status: 401 }, 'UPSTREAM_DENIED'],
    [{ corrupt: true }, 'UPSTREAM_UNAVAILABLE'],
    [{ shorterBy: 1 }, 'UPSTREAM_UNAVAILABLE'],
  ] as const) {
    it(`fails with ${code} where upstream answers ${JSON.stringify(how)}`, async () => {
      await using world = await openWorld();
      const { digest } = await pulledImage(world);
      for (const peer of [world.upstream, world.mirror]) peer.behave({ path: BLOBS }, how);

      await assert.rejects(world.blob(digest), { code });
      assert.equal(await world.node.blobs.find(REPOSITORY, digest), undefined);
    });
  }

  it('is fetched again where its file is lost', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world);
    await keep(world, digest);
    await world.node.store.remove(digest);

    assert.deepEqual(await world.blob(digest), layer);
    assert.deepEqual(requests(world), ['GET', 'GET']);
  });

  it('goes on after a restart of the node, without its client', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world, 3 << 20);
    const cut = world.upstream.behave({ path: BLOBS }, { stallAfter: 1 << 20 });
    const signal = soon();
    {
      await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
      await reader.read(Buffer.alloc(1000), (1 << 20) - 1000, { signal });
    }
    cut[Symbol.dispose]();
    await world.restart();

    await until(async () => (await world.node.blobs.find(REPOSITORY, digest)) !== undefined);
    assert.deepEqual(await world.blob(digest), layer);
    assert.ok(world.upstream.sentBytes({ path: BLOBS }) < layer.length + (1 << 19));
  });

  it('tells how it was served', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world);
    const outcomes: string[] = [];
    using _ = cacheDecided.subscribe(({ project, upstream, kind, outcome }) =>
      outcomes.push(`${project} of ${upstream}: ${kind} ${outcome}`),
    );

    await keep(world, digest);
    await world.blob(digest);

    assert.deepEqual(outcomes, [
      'docker.io of docker.io: blob miss',
      'docker.io of docker.io: blob hit',
    ]);
  });
});

describe('a blob that is here by another repository', () => {
  it('of the same project is linked without asking anybody', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world);
    await keep(world, digest);
    world.upstream.addImage('library/busybox', 'latest', [layer]);
    await world.manifest('latest', 'docker.io/library/busybox');

    assert.deepEqual(await world.blob(digest, 'docker.io/library/busybox'), layer);

    assert.deepEqual(requests(world), ['GET']);
  });

  it('makes no repository known that nobody has pulled from, unless upstream has the blob there', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world);
    await keep(world, digest);

    await assert.rejects(world.blob(digest, 'docker.io/evil/x'), { code: 'BLOB_UNKNOWN' });

    assert.equal(await world.isKnown('docker.io/evil/x'), false);
    assert.deepEqual(requests(world), ['GET', 'HEAD']);
  });

  it('of another project is served once its own upstream has confirmed it', async () => {
    await using world = await openWorld();
    const { layer, digest } = await pulledImage(world);
    await keep(world, digest);
    world.other.addBlob('team/app', layer);

    assert.deepEqual(await world.blob(digest, 'other.example/team/app'), layer);

    assert.equal(world.other.count({ method: 'HEAD', path: BLOBS }), 1);
    assert.equal(world.other.count({ method: 'GET', path: BLOBS }), 0);
  });

  it('of a private project is fetched again: an upstream could claim to have it', async () => {
    await using world = await openWorld();
    const bytes = randomBytes(1000);
    const { digest } = world.upstream.addBlob(PATH, bytes);
    await keep(world, digest);
    await world.node.blobs.mount('secret/app', digest, REPOSITORY);
    await world.node.blobs.unlink(REPOSITORY, digest);
    world.other.behave({ method: 'GET', path: BLOBS }, { status: 404 });
    world.other.addBlob('evil/app', bytes);

    await assert.rejects(world.blob(digest, 'other.example/evil/app'), { code: 'BLOB_UNKNOWN' });
  });

  it('is not given away to an upstream that only names its digest', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world);
    await keep(world, digest);
    const liar = { config: { mediaType: 'x/y', digest, size: 1000 }, layers: [] };
    world.other.addManifest('evil/app', { schemaVersion: 2, ...liar }, { tag: 'latest' });
    await world.manifest('latest', 'other.example/evil/app');

    await assert.rejects(world.blob(digest, 'other.example/evil/app'), { code: 'BLOB_UNKNOWN' });
  });
});

describe('a blob of a hosted project', () => {
  it('is unknown where the repository does not have it, though another does', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world);
    await keep(world, digest);

    await assert.rejects(world.blob(digest, 'local/app'), { code: 'NAME_UNKNOWN' });
    await assert.rejects(sizeOf(world, digest, 'local/app'), { code: 'NAME_UNKNOWN' });
  });

  it('may be sent by a front server from where it lies', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world);
    await keep(world, digest);
    const signal = soon();

    await using blob = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });

    assert.match(blob.path ?? '', /^blobs\/sha256\//);
    assert.equal((await readAll(blob, signal)).length, 1000);
  });
});

/** Pulls the blob, and waits until it is not only served but kept. */
async function keep(world: World, digest: Digest): Promise<void> {
  await world.blob(digest);
  await until(async () => (await world.node.blobs.find(REPOSITORY, digest)) !== undefined);
}

function requests({ upstream }: World): readonly string[] {
  return upstream.seen({ path: BLOBS }).map(({ method }) => method);
}
