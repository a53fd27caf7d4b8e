import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCachedManifests } from '../../src/catalog/cached-manifests.ts';
import type { Database } from '../../src/database/database.ts';
import { manifestEvicted } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import {
  arrive,
  type Content,
  called,
  changesOf,
  contentOf,
  HOUR,
  imageOf,
  indexOf,
  openWorld,
  push,
  START,
  type World,
} from './world.ts';

const cache = 'docker.io/library/alpine';
const other = 'docker.io/library/other';
const app = 'local/app';

for (const engine of databases) {
  describe(`cached manifests that nobody asks for, on ${engine.name},`, () => {
    it('go with their bytes, tags, history and references', async () => {
      await using world = await openWorld(engine);
      const [idle, young] = [image('idle'), image('young')];
      await arrive(world, cache, idle, 'old');
      await world.tags.remove(cache, 'old', called('bob'));
      await arrive(world, cache, idle, 'old');
      await arrive(world, cache, idle, 'older');
      world.clock.at += HOUR;
      await arrive(world, cache, young, 'new');
      const told: string[] = [];
      using _ = manifestEvicted.subscribe(({ repository, digest }) =>
        told.push(`${repository}@${digest}`),
      );

      assert.equal(await world.cachedManifests.evictIdle(START), 1);

      assert.deepEqual(await kept(world), [[cache, young.digest]]);
      assert.deepEqual(await world.tags.list(cache), ['new']);
      assert.deepEqual(told, [`${cache}@${idle.digest}`]);
      assert.deepEqual(await changesOf(world), []);
      for (const table of ['manifest_bytes', 'project_contents'] as const) {
        const rows = await world.database.read.selectFrom(table).select('digest').execute();
        assert.deepEqual(
          rows.map(({ digest }) => digest),
          [young.digest],
        );
      }
      assert.equal(await rowsOf(world, 'tag_history'), 0);
      assert.equal(await rowsOf(world, 'manifest_references'), 1);
    });

    it('stay where somebody pulled them since, also when that is not written yet', async () => {
      await using world = await openWorld(engine);
      const [written, unwritten, idle] = [image('written'), image('unwritten'), image('idle')];
      for (const content of [written, unwritten, idle]) await arrive(world, cache, content);
      await arrive(world, other, unwritten);
      world.clock.at += HOUR;
      world.accessTimes.manifestPulled({ repository: cache, digest: written.digest });
      await world.accessTimes.flush();
      world.accessTimes.manifestPulled({ repository: cache, digest: unwritten.digest });

      assert.equal(await world.cachedManifests.evictIdle(START), 2);

      assert.deepEqual(await kept(world), [
        [cache, written.digest],
        [cache, unwritten.digest],
      ]);
    });

    it('stay where somebody pulls them at the last moment', async () => {
      await using world = await openWorld(engine);
      const idle = image('idle');
      await arrive(world, cache, idle);
      world.clock.at += HOUR;
      const database: Database = {
        ...world.database,
        async write(work) {
          world.accessTimes.manifestPulled({ repository: cache, digest: idle.digest });
          await world.accessTimes.flush();
          return world.database.write(work);
        },
      };
      const manifests = createCachedManifests({ database, accessTimes: world.accessTimes });

      assert.equal(await manifests.evictIdle(START), 0);

      assert.deepEqual(await kept(world), [[cache, idle.digest]]);
    });

    it('stay where a tag on them was asked for since, which is no pull for who has them', async () => {
      await using world = await openWorld(engine);
      const { digest } = await arrive(world, cache, image('one'), 'latest');
      world.clock.at += HOUR;
      await world.tags.confirm(cache, 'latest', digest, world.clock.at);

      assert.equal(await world.cachedManifests.evictIdle(START), 0);
      assert.equal(await world.cachedManifests.evictIdle(world.clock.at), 1);
    });

    it('are never owned ones, nor the bytes that those share', async () => {
      await using world = await openWorld(engine);
      const [shared, copied] = [image('shared'), image('copied')];
      await push(world, app, shared, { tag: 'latest', references: 'sparse' });
      await arrive(world, cache, shared, 'latest');
      await arrive(world, cache, copied, 'copied');
      await world.database.write((transaction) =>
        transaction
          .updateTable('manifests')
          .set({ ownership: 'replica' })
          .where('digest', '=', copied.digest)
          .execute(),
      );

      assert.equal(await world.cachedManifests.evictIdle(world.clock.at), 1);

      assert.deepEqual(await kept(world), [
        [app, shared.digest],
        [cache, copied.digest],
      ]);
      const found = await world.manifests.find(app, { kind: 'tag', tag: 'latest' });
      assert.deepEqual(found?.bytes, shared.bytes);
      assert.deepEqual(await world.tags.list(cache), ['copied']);
    });

    it('stay while an index of their repository does, and go at their own age after it', async () => {
      await using world = await openWorld(engine);
      const [idle, pulled] = [image('idle'), image('pulled')];
      const index = indexOf([idle, pulled]);
      for (const content of [idle, pulled, index]) await arrive(world, cache, content);
      await arrive(world, other, idle);
      world.clock.at += HOUR;
      world.accessTimes.manifestPulled({ repository: cache, digest: index.digest });
      await world.accessTimes.flush();

      assert.equal(await world.cachedManifests.evictIdle(START), 1);
      assert.equal((await kept(world)).length, 3);

      const lastPull = world.clock.at;
      world.clock.at += HOUR;
      world.accessTimes.manifestPulled({ repository: cache, digest: pulled.digest });
      await world.accessTimes.flush();
      assert.equal(await world.cachedManifests.evictIdle(lastPull), 1);
      assert.deepEqual(await kept(world), [
        [cache, idle.digest],
        [cache, pulled.digest],
      ]);
      assert.equal(await world.cachedManifests.evictIdle(lastPull), 1);
      assert.deepEqual(await kept(world), [[cache, pulled.digest]]);
    });

    it('go though there are more than are read at once of those that stay', async () => {
      await using world = await openWorld(engine);
      const children = Array.from({ length: 101 }, (_, index) => image(`child ${index}`));
      await Promise.all(children.map((content) => arrive(world, cache, content)));
      world.clock.at += 1;
      const idle = image('idle');
      await arrive(world, cache, idle);
      world.clock.at += HOUR;
      await arrive(world, cache, indexOf(children));

      assert.equal(await world.cachedManifests.evictIdle(START + 1), 1);

      assert.equal((await kept(world)).length, 102);
      assert.ok(!(await kept(world)).some(([, digest]) => digest === idle.digest));
    });

    it('are let be when the node stops', async () => {
      await using world = await openWorld(engine);
      await arrive(world, cache, image('idle'));
      const signal = AbortSignal.abort();

      assert.equal(await world.cachedManifests.evictIdle(world.clock.at, { signal }), 0);
    });
  });

  describe(`arrivals on ${engine.name}`, () => {
    it('are forgotten in time, however many they are', async () => {
      await using world = await openWorld(engine);
      const { digest } = await arrive(world, cache, image('one'));
      const { project } = (await world.repositories.find(cache)) ?? assert.fail();
      const row = { project, repository: cache, tag: null, digest, at: world.clock.at };
      await world.database.write((transaction) =>
        transaction
          .insertInto('arrivals')
          .values(Array.from({ length: 1000 }, () => row))
          .execute(),
      );
      world.clock.at += 1;
      await arrive(world, cache, image('two'));

      assert.equal(await world.arrivals.expire(START), 1001);

      assert.equal(await rowsOf(world, 'arrivals'), 1);
    });
  });
}

function image(name: string): Content {
  return imageOf(contentOf(name), []);
}

/** Repository and digest of every manifest, in the order in which they came. */
async function kept({ database }: World) {
  const rows = await database.read
    .selectFrom('manifests')
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select(['repositories.name', 'manifests.digest'])
    .orderBy('manifests.id')
    .execute();
  return rows.map(({ name, digest }) => [name, digest] as const);
}

async function rowsOf(
  { database }: World,
  table: 'tag_history' | 'manifest_references' | 'arrivals',
): Promise<number> {
  const rows = await database.read.selectFrom(table).selectAll().execute();
  return rows.length;
}
