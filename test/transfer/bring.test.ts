import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { WantedBlob } from '../../src/transfer/transfers.ts';
import { sourceAt } from './support/source.ts';
import {
  assertKept,
  assertNothingLeft,
  BLOBS,
  eventually,
  type Layer,
  openWorld,
  REPOSITORY,
  type World,
} from './support/world.ts';

const MIB = 1 << 20;
const signal = AbortSignal.timeout(60_000);

describe('bringing a blob that nobody reads', () => {
  it('resolves once it is kept, as what it was asked for as', async () => {
    await using world = await openWorld();
    const layer = world.layer(MIB);

    await world.node.transfers.bring(replicaOf(world, layer), { signal });

    await assertKept(world, layer);
    await assertNothingLeft(world);
    assert.equal(await ownershipOf(world, layer), 'replica');
  });

  it('shares the fill of who pulls the blob, and leaves it what both want', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS }, { bytesPerSecond: 40 * MIB });
    await using reader = await world.open(layer);
    await reader.read(Buffer.alloc(1), 0, { signal });

    await world.node.transfers.bring(replicaOf(world, layer), { signal });

    assert.equal(world.upstream.requests.length, 1);
    assert.equal(await ownershipOf(world, layer), 'replica');
  });

  it('pauses when its only asker is stopped, and the next one goes on from there', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: 3 * MIB });
    const stop = new AbortController();
    let arrivedBytes = 0;
    const stopped = world.node.transfers.bring(replicaOf(world, layer), {
      signal: stop.signal,
      arrived: (bytes) => {
        arrivedBytes += bytes;
      },
    });
    await eventually(() => assert.ok(arrivedBytes >= 2 * MIB));

    stop.abort(new Error('stopped by an operator'));
    await assert.rejects(stopped, { message: 'stopped by an operator' });
    await eventually(() => assert.ok(world.upstream.requests[0]?.isOver));
    await world.node.transfers.bring(replicaOf(world, layer), { signal });

    await assertKept(world, layer);
    await assertNothingLeft(world);
    const from = Number(
      /^bytes=(\d+)-$/.exec(world.upstream.requests[1]?.headers.range ?? '')?.[1],
    );
    assert.ok(from >= 2 * MIB, `asked again from ${from}`);
  });

  it('says why when upstream fails it', async () => {
    await using world = await openWorld({ attempts: 1 });
    const layer = world.layer(MIB);
    world.upstream.behave({ path: BLOBS }, { status: 503 });

    await assert.rejects(world.node.transfers.bring(replicaOf(world, layer), { signal }), {
      name: 'UpstreamUnavailable',
    });
  });

  it('waits after a restart for whoever asks again, and then goes on', async () => {
    await using world = await openWorld();
    const layer = world.layer(4 * MIB);
    world.upstream.behave({ path: BLOBS, times: 1 }, { stallAfter: 3 * MIB });
    const running = world.node.transfers.bring(replicaOf(world, layer), { signal });
    running.catch(() => {});
    await eventually(async () => assert.equal((await world.node.fills.list()).length, 1));
    await eventually(() => assert.ok((world.upstream.requests[0]?.sentBytes ?? 0) >= 3 * MIB));

    await world.restart();
    await assert.rejects(running);
    const { source } = replicaOf(world, layer);
    await world.node.transfers.resume(async () => ({ source, isAwaited: true }));
    assert.equal(world.upstream.requests.length, 1);
    await world.node.transfers.bring(replicaOf(world, layer), { signal });

    await assertKept(world, layer);
    await assertNothingLeft(world);
    assert.match(world.upstream.requests[1]?.headers.range ?? '', /^bytes=[1-9]\d*-$/);
  });
});

function replicaOf({ upstream }: World, layer: Layer): WantedBlob {
  const path = REPOSITORY.slice(REPOSITORY.indexOf('/') + 1);
  const source = { ...sourceAt(upstream, path, layer), ownership: 'replica' } as const;
  return { digest: layer.digest, size: layer.size, repository: REPOSITORY, source };
}

async function ownershipOf({ node }: World, { digest }: Layer): Promise<string | undefined> {
  const link = await node.database.read
    .selectFrom('blob_links')
    .select('ownership')
    .where('digest', '=', digest)
    .executeTakeFirst();
  return link?.ownership;
}
