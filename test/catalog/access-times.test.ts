import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { sql } from 'kysely';
import { createAccessTimes } from '../../src/catalog/access-times.ts';
import type { Database } from '../../src/database/database.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { contentOf, imageWithBlobs, keepBlob, openWorld, push, type World } from './world.ts';

const app = 'local/app';

for (const engine of databases) {
  describe(`access times on ${engine.name}`, () => {
    it('are written together: pulls counted, the last of them dated', async () => {
      await using world = await openWorld(engine);
      const image = await imageWithBlobs(world, app, 'one');
      await push(world, app, image, { tag: 'latest' });
      const { digest } = image;
      world.clock.at += 1;
      world.accessTimes.manifestPulled({ repository: app, digest, tag: 'latest' });
      world.clock.at += 1;
      world.accessTimes.manifestPulled({ repository: app, digest, tag: 'latest' });
      const byTag = world.clock.at;
      world.clock.at += 1;
      world.accessTimes.manifestPulled({ repository: app, digest });
      world.accessTimes.manifestPulled({ repository: 'local/gone', digest, tag: 'gone' });
      world.blobs.touch(image.layer.digest);
      assert.deepEqual((await timesOf(world)).pulls, 0);

      await world.accessTimes.flush();

      assert.deepEqual(await timesOf(world), {
        pulls: 3,
        manifest: world.clock.at,
        tag: byTag,
        blobs: new Map([
          [image.config.digest, world.clock.at - 3],
          [image.layer.digest, world.clock.at],
        ]),
      });
    });

    it('are written in more than one piece when there are many', async () => {
      await using world = await openWorld(engine);
      const layer = contentOf('layer');
      await keepBlob(world, app, layer);
      for (let index = 0; index < 501; index++) world.blobs.touch(contentOf(`${index}`).digest);
      world.clock.at += 1;
      world.blobs.touch(layer.digest);

      await world.accessTimes.flush();

      assert.deepEqual((await timesOf(world)).blobs, new Map([[layer.digest, world.clock.at]]));
    });
  });
}

describe('a batch of access times', () => {
  const [engine] = databases;
  assert.ok(engine);

  it('is written on a timer, and the last one at the end', async () => {
    await using world = await openWorld(engine);
    const layer = contentOf('layer');
    await keepBlob(world, app, layer);
    using resources = new DisposableStack();
    resources.use(mockTimers());
    const times = createAccessTimes({ ...optionsOf(world), intervalMs: 10_000 });
    const started = world.clock.at;

    world.clock.at += 1;
    times.blobRead(layer.digest);
    mock.timers.tick(9_999);
    await everythingWritten(world);
    assert.deepEqual((await timesOf(world)).blobs, new Map([[layer.digest, started]]));
    mock.timers.tick(1);
    await everythingWritten(world);
    assert.deepEqual((await timesOf(world)).blobs, new Map([[layer.digest, started + 1]]));
    world.clock.at += 1;
    times.blobRead(layer.digest);
    await times[Symbol.asyncDispose]();

    assert.deepEqual((await timesOf(world)).blobs, new Map([[layer.digest, started + 2]]));
  });

  it('is one write, however busy readers are meanwhile', async () => {
    await using world = await openWorld(engine);
    const { busy, seen } = whileReading(world, () => times.blobRead(contentOf('more').digest));
    await using times = createAccessTimes({ ...optionsOf(world), database: busy });

    times.blobRead(contentOf('first').digest);
    await times.flush();

    assert.equal(seen.writes, 1);
  });

  it('that cannot be written is told of, and written with the next one', async () => {
    await using world = await openWorld(engine);
    const image = await imageWithBlobs(world, app, 'one');
    await push(world, app, image);
    const pull = { repository: app, digest: image.digest };
    const failures: string[] = [];
    using resources = new DisposableStack();
    resources.use(maintenanceFailed.subscribe(({ work }) => failures.push(work)));
    resources.use(mockTimers());
    await using times = createAccessTimes({ ...optionsOf(world), intervalMs: 10_000 });
    await world.database.write((transaction) =>
      sql`create trigger broken before update on repositories begin select raise(abort, 'no'); end`.execute(
        transaction,
      ),
    );

    times.manifestPulled(pull);
    times.blobRead(image.layer.digest);
    mock.timers.tick(10_000);
    await everythingWritten(world);
    times.manifestPulled(pull);
    await world.database.write((transaction) => sql`drop trigger broken`.execute(transaction));
    await times.flush();

    assert.deepEqual(failures, ['access-times']);
    assert.equal((await timesOf(world)).pulls, 2);
  });
});

/** Readers that never rest: one more comes during each write. */
function whileReading({ database }: World, read: () => void) {
  const seen = { writes: 0 };
  const busy: Database = {
    ...database,
    write(work) {
      seen.writes += 1;
      if (seen.writes < 20) read();
      return database.write(work);
    },
  };
  return { busy, seen };
}

function optionsOf({ database, clock }: World) {
  return { database, now: () => clock.at };
}

function mockTimers(): Disposable {
  mock.timers.enable({ apis: ['setInterval'] });
  return { [Symbol.dispose]: () => mock.timers.reset() };
}

/** Writes are done in the order in which they were asked for. */
async function everythingWritten({ database }: World): Promise<void> {
  await database.write(async () => {});
}

async function timesOf({ database }: World) {
  const { read } = database;
  const repository = await read.selectFrom('repositories').select('pull_count').executeTakeFirst();
  const manifest = await read.selectFrom('manifests').select('pulled_at').executeTakeFirst();
  const tag = await read.selectFrom('tags').select('pulled_at').executeTakeFirst();
  const blobs = await read.selectFrom('blobs').select(['digest', 'accessed_at']).execute();
  return {
    pulls: repository?.pull_count,
    manifest: manifest?.pulled_at,
    tag: tag?.pulled_at,
    blobs: new Map(blobs.map((blob) => [blob.digest, blob.accessed_at])),
  };
}
