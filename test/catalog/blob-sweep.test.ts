import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { type BlobsOptions, createBlobs } from '../../src/catalog/blobs.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { straysCondemned } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import {
  type Content,
  contentOf,
  HOUR,
  keepBlob,
  openWorld,
  stateOf,
  type World,
} from './world.ts';

const WEEK = 7 * 24 * HOUR;
const app = 'local/app';
const stray = contentOf('its row went, and then the process ended');
const layer = contentOf('a layer');

for (const engine of databases) {
  describe(`a sweep on ${engine.name}`, () => {
    it('condemns a file that no row knows, which goes a week and the grace period later, even where room is needed', async () => {
      await using world = await openWorld(engine);
      await leaveFile(world, stray);
      const told: number[] = [];
      using _ = straysCondemned.subscribe(({ blobs }) => told.push(blobs));

      assert.equal(await world.blobs.sweep(), 1);

      assert.deepEqual(told, [1]);
      assert.deepEqual(await stateOf(world, stray), {
        state: 'condemned',
        at: world.clock.at + WEEK,
      });
      assert.deepEqual(await world.blobs.collect({ graceMs: 0 }), { blobs: 0, bytes: 0 });
      world.clock.at += WEEK + HOUR - 1;
      assert.deepEqual(await world.blobs.collect(), { blobs: 0, bytes: 0 });
      world.clock.at += 1;
      const size = stray.bytes.length;
      assert.deepEqual(await world.blobs.collect(), { blobs: 1, bytes: size });
      assert.equal(await world.store.size(stray.digest), undefined);
    });

    it('leaves the rows that are there as they are', async () => {
      await using world = await openWorld(engine);
      const condemned = contentOf('condemned');
      await keepBlob(world, app, layer);
      await keepBlob(world, app, condemned);
      await world.blobs.unlink(app, condemned.digest);
      world.clock.at += 1;

      assert.equal(await world.blobs.sweep(), 0);

      assert.deepEqual(await stateOf(world, layer), { state: 'present', at: null });
      const at = world.clock.at - 1;
      assert.deepEqual(await stateOf(world, condemned), { state: 'condemned', at });
    });

    it('does not mind that somebody pushes the same bytes', async () => {
      await using world = await openWorld(engine);
      for (let round = 0; round < 10; round++) {
        await leaveFile(world, layer);

        await Promise.all([world.blobs.sweep(), keepBlob(world, app, layer)]);

        assert.deepEqual(await stateOf(world, layer), { state: 'present', at: null });
        assert.equal(await world.store.size(layer.digest), layer.bytes.length);
        await world.blobs.unlink(app, layer.digest);
        await world.blobs.collect({ graceMs: 0 });
      }
    });

    it('makes no row for a file that the collection is about to remove', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      await world.blobs.unlink(app, layer.digest);
      let sweeping: Promise<number> | undefined;
      let isRemoved = false;
      const blobs = blobsOver(world, {
        async remove() {
          sweeping = blobs.sweep();
          for (let turns = 0; turns < 50; turns++) await turn();
          isRemoved = true;
        },
        // Without a disk the sweep is through with it in those turns, if nothing holds it back.
        async *stored() {
          yield layer.digest;
        },
        size: async () => (isRemoved ? undefined : layer.bytes.length),
      });

      await blobs.collect({ graceMs: 0 });

      assert.equal(await sweeping, 0);
      assert.equal(await stateOf(world, layer), undefined);
    });

    it('goes through more files than are looked up at once', async () => {
      await using world = await openWorld(engine);
      await keepBlob(world, app, layer);
      const strays = Array.from({ length: 501 }, (_, index) => contentOf(`stray ${index}`));
      for (const content of strays) await leaveFile(world, content);

      assert.equal(await world.blobs.sweep(), 501);

      world.clock.at += WEEK;
      assert.equal((await world.blobs.collect({ graceMs: 0 })).blobs, 501);
      assert.deepEqual(await Array.fromAsync(world.store.stored()), [layer.digest]);
    });

    it('ends early when it is told to', async () => {
      await using world = await openWorld(engine);
      await leaveFile(world, stray);

      assert.equal(await world.blobs.sweep({ signal: AbortSignal.abort() }), 0);

      assert.equal(await stateOf(world, stray), undefined);
    });
  });
}

describe('a sweep', () => {
  const [engine] = databases;
  assert.ok(engine);

  it('lets others have their turn, and stops between two batches', async () => {
    await using world = await openWorld(engine);
    const stop = new AbortController();
    const digests = Array.from({ length: 5000 }, (_, index) => contentOf(`${index}`).digest);
    let walked = 0;
    const blobs = blobsOver(world, {
      async *stored(): AsyncGenerator<Digest> {
        for (const digest of digests) {
          walked += 1;
          yield digest;
        }
      },
      size: async () => undefined,
    });
    setImmediate(() => stop.abort());

    assert.equal(await blobs.sweep({ signal: stop.signal }), 0);

    assert.ok(walked < 5000, `${walked} files`);
  });
});

/** As a crash between the row and the file of a collected blob does. */
async function leaveFile({ path, store }: World, { digest, bytes }: Content): Promise<void> {
  const file = join(path, store.pathOf?.(digest) ?? '');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}

/** The world's blobs, where the store does some things in its own way. */
function blobsOver(
  { database, store, accessTimes, clock }: World,
  otherwise: Partial<BlobsOptions['store']>,
) {
  const options = { database, accessTimes, now: () => clock.at };
  return createBlobs({
    ...options,
    store: {
      open: (digest) => store.open(digest),
      size: (digest) => store.size(digest),
      remove: (digest) => store.remove(digest),
      stored: () => store.stored(),
      stage: (id) => store.stage(id),
      staged: () => store.staged(),
      space: () => store.space(),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      ...otherwise,
    },
  });
}
