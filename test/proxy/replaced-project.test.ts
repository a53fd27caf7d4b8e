/** A proxy project that was removed and made again for another upstream: what the first one's upstream said is nobody's business. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { until } from '../support/until.ts';
import {
  addImage,
  BLOBS,
  MANIFESTS,
  openWorld,
  PATH,
  pulledImage,
  REPOSITORY,
  SECOND,
  soon,
  type World,
} from './support/world.ts';

describe('a project made again for another upstream', () => {
  it('lists the tags and referrers of its own upstream', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, 'private');
    assert.deepEqual(await tagsOf(world), ['private']);
    await referrersOf(world, manifest.digest);
    world.other.addImage(PATH, 'open', [Buffer.from('layer')]);

    await world.replaceProject();

    assert.deepEqual(await tagsOf(world), ['open']);
    await referrersOf(world, manifest.digest);
    assert.equal(world.other.count({ path: /referrers/ }), 1);
  });

  it('finds what the former upstream did not have', async () => {
    await using world = await openWorld();
    const { manifest, layers } = world.other.addImage(PATH, '3.20', [Buffer.from('layer')]);
    await assert.rejects(world.manifest('3.20'), { code: 'MANIFEST_UNKNOWN' });
    await assert.rejects(world.manifest(manifest.digest), { code: 'MANIFEST_UNKNOWN' });
    await assert.rejects(world.blob(layers[0]?.digest ?? ''), { code: 'BLOB_UNKNOWN' });

    await world.replaceProject();

    assert.equal((await world.manifest('3.20')).digest, manifest.digest);
    assert.equal((await world.blob(layers[0]?.digest ?? '')).toString(), 'layer');
  });

  it('gets no tag that the former upstream had', async () => {
    await using world = await openWorld();
    const { manifest, layer } = addImage(world, 'private');
    world.other.addImage(PATH, 'private', [layer]);
    world.other.tag(PATH, 'private', world.other.addImage(PATH, 'open', [layer]).manifest.digest);
    await world.head('private');

    await world.replaceProject();
    await world.manifest(manifest.digest);

    assert.notEqual((await world.manifest('private')).digest, manifest.digest);
  });

  it('is not given what was asked of the former upstream', async () => {
    await using world = await openWorld();
    addImage(world, 'private');
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.upstream.behave({ path: MANIFESTS }, { hold });
    const asked = world.manifest('private');
    await until(() => world.upstream.count({ path: MANIFESTS }) === 1);

    await world.replaceProject();
    await assert.rejects(world.manifest('private'), { code: 'MANIFEST_UNKNOWN' });
    answer();
    await assert.rejects(asked, { code: 'MANIFEST_UNKNOWN' });

    assert.equal(await world.isKnown(REPOSITORY), false);
  });

  it('is not given the blob that was on its way', async () => {
    await using world = await openWorld();
    const { digest, layer } = await pulledImage(world, 300_000);
    const { promise: hold, resolve: answer } = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS }, { hold });
    const asked = world.blob(digest);
    await until(() => world.upstream.count({ path: BLOBS }) === 1);

    await world.replaceProject();
    answer();
    assert.deepEqual(await asked, layer);

    await until(async () => (await world.node.store.staged()).length === 0);
    assert.equal(await world.isKnown(REPOSITORY), false);
  });

  it('does not go on with what the former upstream had begun, after a restart', async () => {
    await using world = await openWorld();
    const { digest } = await pulledImage(world, 3 << 20);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 2 << 20 });
    const leaving = new AbortController();
    const { signal } = leaving;
    await using reader = await world.node.pulls.blob(REPOSITORY, digest, { whole: true, signal });
    await reader.read(Buffer.alloc(1000), 0, { signal });
    await until(async () => (await world.node.store.staged()).length === 1);
    world.other.addBlob(PATH, randomBytes(10));

    world.pass(SECOND);
    await world.replaceProject();
    await world.restart();

    assert.deepEqual(await world.node.store.staged(), []);
    assert.equal(world.other.count({ path: BLOBS }), 0);
  });
});

function tagsOf({ node }: World) {
  return node.pulls.tags(REPOSITORY, { signal: soon() });
}

async function referrersOf({ node }: World, subject: `sha256:${string}` | `sha512:${string}`) {
  return (await node.pulls.referrers(REPOSITORY, subject, { signal: soon() })).referrers;
}
