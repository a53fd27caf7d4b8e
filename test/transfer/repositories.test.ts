import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAll } from '../storage/conformance.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  openWorld,
  REPOSITORY,
} from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;
const OTHER = 'ghcr.io/team/app';
const OTHER_BLOBS = /\/team\/app\/blobs\//;

describe('a fill that two repositories ask for', () => {
  it('is one transfer, and belongs to both', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.addBlob('team/app', layer.bytes);
    world.upstream.behave({ path: /alpine\/blobs/ }, { bytesPerSecond: 20 * MIB });
    const first = await world.open(layer);
    const second = await world.open(layer, { repository: OTHER });

    const copies = await Promise.all([readAll(first, signal), readAll(second, signal)]);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();

    for (const copy of copies) assert.ok(copy.equals(layer.bytes));
    await assertKept(world, layer);
    await assertKept(world, layer, OTHER);
    await assertNothingLeft(world);
    // The second one's upstream was asked only whether it has the blob.
    assert.deepEqual(
      world.upstream.seen({ path: OTHER_BLOBS }).map(({ headers }) => headers.range),
      ['bytes=0-0'],
    );
  });

  it('gives nothing to one whose own upstream does not have the blob', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.behave({ path: /alpine\/blobs/ }, { stallAfter: 500_000 });
    await using reader = await world.open(layer);
    await reader.read(Buffer.alloc(1), 0, { signal });

    await assert.rejects(world.open(layer, { repository: OTHER }), { code: 'BLOB_UNKNOWN' });
  });

  it('gives nothing to one whose own upstream has another size for it', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.addBlob('team/app', layer.bytes);
    world.upstream.behave({ path: /alpine\/blobs/ }, { stallAfter: 500_000 });
    world.upstream.behave({ path: OTHER_BLOBS }, { ignoreRange: true, shorterBy: 1 });
    await using reader = await world.open(layer);
    await reader.read(Buffer.alloc(1), 0, { signal });

    await assert.rejects(world.open(layer, { repository: OTHER }), { name: 'UpstreamInvalid' });
  });

  it('starts anew from the second one when the first one does not get it', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.addBlob('team/app', layer.bytes);
    const answer = Promise.withResolvers<void>();
    world.upstream.behave({ path: /alpine\/blobs/ }, { status: 404, hold: answer.promise });
    const first = assert.rejects(world.open(layer), { code: 'BLOB_UNKNOWN' });
    await eventually(() => assert.equal(world.upstream.count({ path: BLOBS }), 1));
    const second = world.open(layer, { repository: OTHER });
    await eventually(() => assert.equal(world.upstream.count({ path: OTHER_BLOBS }), 1));

    answer.resolve();
    await first;
    await using reader = await second;

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    await assertKept(world, layer, OTHER);
    assert.equal(await world.node.blobs.find(REPOSITORY, layer.digest), undefined);
  });

  it('is fetched again for one whose upstream was not asked, though it is here', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    await using first = await world.open(layer);
    await readAll(first, signal);
    await assertKept(world, layer);

    await assert.rejects(world.open(layer, { repository: OTHER }), { code: 'BLOB_UNKNOWN' });
    world.upstream.addBlob('team/app', layer.bytes);
    await using second = await world.open(layer, { repository: OTHER });

    assert.ok((await readAll(second, signal)).equals(layer.bytes));
    await assertKept(world, layer, OTHER);
  });
});
