import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { readAll } from '../storage/conformance.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  heard,
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

  it('asks the upstream of the second one once, however many come by it', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.addBlob('team/app', layer.bytes);
    world.upstream.behave({ path: /alpine\/blobs/ }, { bytesPerSecond: 5 * MIB });
    const answer = Promise.withResolvers<void>();
    world.upstream.behave({ path: OTHER_BLOBS }, { hold: answer.promise });
    await using _ = await world.open(layer);
    const leaving = new AbortController();
    const first = assert.rejects(world.open(layer, { repository: OTHER, signal: leaving.signal }), {
      message: 'left',
    });
    const asking = Array.from({ length: 9 }, () => world.open(layer, { repository: OTHER }));
    await eventually(() => assert.ok(world.upstream.count({ path: OTHER_BLOBS }) > 0));
    leaving.abort(new Error('left'));
    await first;

    answer.resolve();

    for (const reader of await Promise.all(asking)) {
      assert.ok((await readAll(reader, signal)).equals(layer.bytes));
      await reader[Symbol.asyncDispose]();
    }
    assert.equal(world.upstream.count({ path: OTHER_BLOBS }), 1);
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

  it('asks nobody for another repository of the same project', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 20 * MIB });
    await using first = await world.open(layer);
    await using second = await world.open(layer, { repository: 'docker.io/library/debian' });

    const copies = await Promise.all([readAll(first, signal), readAll(second, signal)]);

    for (const copy of copies) assert.ok(copy.equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
    await assertKept(world, layer, 'docker.io/library/debian');
  });

  it('is two transfers where one of them is private', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    world.upstream.addBlob('team/app', layer.bytes);
    world.upstream.behave({ path: OTHER_BLOBS }, { stallAfter: 500_000 });
    using failed = heard(maintenanceFailed);
    await using secret = await world.open(layer, { repository: OTHER, privateTo: 'ghcr.io' });
    await secret.read(Buffer.alloc(1), 0, { signal });

    const open = await world.open(layer);
    assert.ok((await readAll(open, signal)).equals(layer.bytes));
    await open[Symbol.asyncDispose]();

    assert.equal(world.upstream.count({ path: OTHER_BLOBS }), 1);
    await assertKept(world, layer);
    assert.equal(await world.node.blobs.find(OTHER, layer.digest), undefined);
    assert.deepEqual(failed.facts, []);
    assert.equal((await world.node.fills.list()).length, 1);
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
