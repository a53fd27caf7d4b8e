import assert from 'node:assert/strict';
import { mkdir, rm, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  fillAborted,
  fillForgotten,
  fillParked,
  fillResumed,
} from '../../src/telemetry/channels.ts';
import type { StartedFill } from '../../src/transfer/fill-records.ts';
import type { ResumedFill } from '../../src/transfer/transfers.ts';
import { readAll } from '../storage/conformance.ts';
import { sourceAt } from './support/source.ts';
import {
  assertKept,
  assertNothingLeft,
  assertNotKept,
  BLOBS,
  eventually,
  heard,
  type Layer,
  openWorld,
  REPOSITORY,
  type World,
} from './support/world.ts';

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

describe('a fill that nobody reads any more', () => {
  it('goes on and is kept', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 40 * MIB });
    const readers = await Promise.all([world.open(layer), world.open(layer)]);
    await readers[0]?.read(Buffer.alloc(1), 0, { signal });

    for (const reader of readers) await reader[Symbol.asyncDispose]();

    await assertKept(world, layer);
    await assertNothingLeft(world);
  });

  it('is dropped after its deadline', async () => {
    await using world = await openWorld({ deadlineMs: 50 });
    const layer = world.layer(MIB);
    using aborted = heard(fillAborted);
    world.upstream.behave({ path: BLOBS }, { stallAfter: 300_000 });
    const reader = await world.open(layer);
    await reader.read(Buffer.alloc(1), 0, { signal });

    await reader[Symbol.asyncDispose]();

    await eventually(() => assert.equal(aborted.facts.length, 1));
    await assertNothingLeft(world);
    await assertNotKept(world, layer);
    await eventually(() => assert.ok(world.upstream.requests.every(({ isOver }) => isOver)));
  });

  it('has no deadline while somebody reads it', async () => {
    await using world = await openWorld({ deadlineMs: 30 });
    const layer = world.layer(MIB);
    const rest = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS }, { hold: rest.promise });
    const opening = world.open(layer);
    setTimeout(rest.resolve, 150);

    await using reader = await opening;

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });

  it('is forgotten after the deadline when it was parked', async () => {
    await using world = await openWorld({ deadlineMs: 50, attempts: 1 });
    const layer = world.layer(MIB);
    using forgotten = heard(fillForgotten);
    world.upstream.behave({ path: BLOBS }, { cutAfter: 300_000 });
    const reader = await world.open(layer);
    await assert.rejects(readAll(reader, signal));
    assert.equal((await world.node.store.staged()).length, 1);

    await reader[Symbol.asyncDispose]();

    await eventually(() => assert.equal(forgotten.facts.length, 1));
    await assertNothingLeft(world);
  });

  it('leaves no timer behind', async () => {
    await using world = await openWorld();
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { cutAfter: 300_000 });
    const reader = await world.open(layer);
    await readAll(reader, signal);
    await reader[Symbol.asyncDispose]();
    await assertKept(world, layer);

    await eventually(() => {
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
      assert.ok(timers.length <= before, `${timers.length} timers, ${before} before`);
    });
  });
});

describe('a fill whose node stops', () => {
  it('goes on in the next one from where it was', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    using parked = heard(fillParked);
    using resumed = heard(fillResumed);
    const arrived = await fillPartly(world, layer);
    assert.equal(parked.facts.length, 0);

    await world.restart();
    assert.equal(parked.facts.length, 1);
    await world.node.transfers.resume(sourcesOf(world));

    await assertKept(world, layer);
    await assertNothingLeft(world);
    const [, second] = world.upstream.requests;
    assert.equal(second?.headers.range, `bytes=${arrived}-`);
    assert.equal(resumed.facts[0]?.receivedBytes, arrived);
  });

  it('can be joined while it goes on, from its first byte', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    await fillPartly(world, layer);
    await world.restart();
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 40 * MIB });
    await world.node.transfers.resume(sourcesOf(world));

    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.equal(world.upstream.count({ path: BLOBS }), 2);
  });

  it('tells its readers that the node stops, and refuses further ones', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { stallAfter: MIB });
    await using reader = await world.open(layer);
    const reading = assert.rejects(readAll(reader, signal), { code: 'UNAVAILABLE' });

    await world.node.transfers[Symbol.asyncDispose]();

    await reading;
    await assert.rejects(world.open(layer), { code: 'UNAVAILABLE' });
  });

  it('waits in the next one for somebody who asks, when upstream is down', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    const arrived = await fillPartly(world, layer);
    await world.restart();
    using parked = heard(fillParked);
    world.upstream.behave({ path: BLOBS }, { status: 503 });
    await world.node.transfers.resume(sourcesOf(world));
    await eventually(() => assert.equal(world.upstream.count({ path: BLOBS }), 2));
    await assert.rejects(world.open(layer), { name: 'UpstreamUnavailable' });
    assert.equal(parked.facts.length, 0);

    world.upstream.recover();
    await using reader = await world.open(layer);

    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
    assert.equal(world.upstream.requests.at(-1)?.headers.range, `bytes=${arrived}-`);
  });

  it('is dropped where its repository has no upstream any more', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    await fillPartly(world, layer);
    await world.restart();

    await world.node.transfers.resume(async () => undefined);

    await assertNothingLeft(world);
    await assertNotKept(world, layer);
  });

  it('is only tidied up where the blob is kept already', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    const reader = await world.open(layer);
    await readAll(reader, signal);
    await reader[Symbol.asyncDispose]();
    await assertKept(world, layer);
    await assertNothingLeft(world);
    const { digest, size } = layer;
    const record = { digest, size, repository: REPOSITORY, staged: 'fill-old', intervals: [] };
    await world.node.fills.start(record);
    await world.restart();

    await world.node.transfers.resume(sourcesOf(world));

    await assertNothingLeft(world);
    assert.equal(world.upstream.count({ path: BLOBS }), 1);
  });

  for (const left of [0, 100_000]) {
    it(`trusts a staged file of which a crash left ${left} bytes no further than that`, async () => {
      await using world = await openWorld();
      const layer = world.layer(4 * MIB);
      await fillPartly(world, layer);
      const [row] = await world.node.fills.list();
      await world.node.transfers[Symbol.asyncDispose]();
      await truncate(join(world.folder, 'data', 'staging', row?.staged ?? ''), left);
      await world.restart();

      await world.node.transfers.resume(sourcesOf(world));

      await assertKept(world, layer);
      const from = left === 0 ? undefined : `bytes=${left}-`;
      assert.equal(world.upstream.requests[1]?.headers.range, from);
    });
  }

  it('starts afresh once when what was left of it is wrong', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    await fillPartly(world, layer, { corrupt: true });
    await world.restart();

    await world.node.transfers.resume(sourcesOf(world));

    await assertKept(world, layer);
    await assertNothingLeft(world);
    const ranges = world.upstream.requests.map(({ headers }) => headers.range !== undefined);
    assert.deepEqual(ranges, [false, true, false]);
  });
});

describe('a fill for which there is no room', () => {
  it('tells its readers so, keeps nothing, and does not stop the node', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    const staged = 'fill-full';
    // What a former process left is a device that answers ENOSPC to every write: a full disk that needs no root.
    await symlink('/dev/full', join(world.folder, 'data', 'staging', staged));
    const { digest, size } = layer;
    const record = { digest, size, repository: REPOSITORY, staged, intervals: [] };
    await world.node.fills.start(record);
    const answer = Promise.withResolvers<void>();
    world.upstream.behave({ path: BLOBS }, { hold: answer.promise });
    await world.node.transfers.resume(sourcesOf(world));
    const readers = Promise.all([world.open(layer), world.open(layer, { whole: false })]);
    answer.resolve();

    for (const reader of await readers) {
      await assert.rejects(readAll(reader, signal), { name: 'StorageFull' });
      await reader[Symbol.asyncDispose]();
    }

    await assertNothingLeft(world);
    await assertNotKept(world, layer);
    await using reader = await world.open(layer);
    assert.ok((await readAll(reader, signal)).equals(layer.bytes));
  });

  it('leaves no row where not even its file can be made', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);
    const staging = join(world.folder, 'data', 'staging');
    await rm(staging, { recursive: true });

    await using reader = await world.open(layer);
    await assert.rejects(readAll(reader, signal));

    await mkdir(staging);
    await assertNothingLeft(world);
  });
});

/** Reads the first MiB, of which a row tells then, and leaves. Resolves to the bytes that the next node finds. */
async function fillPartly(
  world: World,
  layer: Layer,
  how: { readonly corrupt?: boolean } = {},
): Promise<number> {
  world.upstream.behave({ path: BLOBS, times: 1 }, { ...how, stallAfter: MIB });
  await using reader = await world.open(layer, { whole: false });
  const into = Buffer.alloc(MIB);
  for (let position = 0; position < MIB; ) {
    position += await reader.read(into.subarray(position), position, { signal });
  }
  return MIB;
}

function sourcesOf({ upstream }: World) {
  return async ({ repository, digest }: StartedFill): Promise<ResumedFill> => ({
    source: sourceAt(upstream, repository.slice(repository.indexOf('/') + 1), { digest }),
  });
}
