import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createImmutableRules } from '../../src/catalog/immutable-rules.ts';
import { createTagHistory } from '../../src/catalog/tag-history.ts';
import { databases } from '../support/databases.ts';
import { arrive, called, changesOf, imageWithBlobs, openWorld, push } from './world.ts';

const app = 'local/app';
const latest = { repository: app, tag: 'latest' };
const bob = called('bob');

for (const engine of databases) {
  describe(`a tag that is rolled back on ${engine.name}`, () => {
    it('points to what it pointed to before, as a move like any other', async () => {
      await using world = await openWorld(engine);
      const history = createTagHistory({ database: world.database, now: () => world.clock.at });
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');
      await push(world, app, one, { tag: 'latest' });
      await push(world, app, two, { tag: 'latest' });
      const before = (await changesOf(world)).length;

      const moved = await history.rollBack(latest, bob);

      assert.deepEqual(moved, { digest: one.digest, previous: two.digest });
      const byTag = { kind: 'tag', tag: 'latest' } as const;
      assert.equal((await world.manifests.find(app, byTag))?.digest, one.digest);
      const [last] = await history.history(app, 'latest');
      const { at } = world.clock;
      const told = { digest: one.digest, previous: two.digest, actor: 'bob', cause: 'api', at };
      assert.deepEqual(last, told);
      const changes = (await changesOf(world)).slice(before);
      assert.deepEqual(
        changes.map(({ kind, tag, digest }) => [kind, tag, digest]),
        [['tag', 'latest', one.digest]],
      );
      const audited = await world.database.read.selectFrom('audit').selectAll().execute();
      assert.equal(audited.at(-1)?.resource, 'local/app:latest');
      // Once more, and it is where it was.
      assert.equal((await history.rollBack(latest, bob)).digest, two.digest);
    });

    it('goes further back where somebody says how far, and is back where it was deleted', async () => {
      await using world = await openWorld(engine);
      const history = createTagHistory({ database: world.database, now: () => world.clock.at });
      const images = await Promise.all(['1', '2', '3'].map((x) => imageWithBlobs(world, app, x)));
      for (const image of images) await push(world, app, image, { tag: 'latest' });
      const [first, , third] = images;
      assert.ok(first && third);

      const moved = await history.rollBack(latest, bob, { to: first.digest });
      assert.equal(moved.digest, first.digest);
      await world.tags.remove(app, 'latest', bob);
      assert.deepEqual(await history.rollBack(latest, bob), {
        digest: first.digest,
        previous: undefined,
      });
      assert.deepEqual(await world.tags.list(app), ['latest']);
    });

    it('stays where there is nothing to go back to', async () => {
      await using world = await openWorld(engine);
      const history = createTagHistory({ database: world.database, now: () => world.clock.at });
      const one = await imageWithBlobs(world, app, 'one');
      const two = await imageWithBlobs(world, app, 'two');
      const other = await imageWithBlobs(world, app, 'other');
      await push(world, app, one, { tag: 'latest' });
      await push(world, app, other, { tag: 'other' });
      const never = { repository: app, tag: 'never' };
      await assert.rejects(history.rollBack(latest, bob), { code: 'PRECONDITION' });
      await assert.rejects(history.rollBack(never, bob), { code: 'NOT_FOUND' });
      await assert.rejects(history.rollBack(latest, bob, { to: other.digest }), {
        code: 'PRECONDITION',
        message: /never pointed to/,
      });
      await push(world, app, two, { tag: 'latest' });
      await world.manifests.remove(app, one.digest, bob);
      await assert.rejects(history.rollBack(latest, bob), {
        code: 'PRECONDITION',
        message: /is gone/,
      });
      const cached = { repository: 'docker.io/library/alpine', tag: 'latest' };
      await arrive(world, cached.repository, two, 'latest');
      await assert.rejects(history.rollBack(cached, bob), { code: 'UNSUPPORTED' });
    });

    it('stays where a rule says that it is immutable', async () => {
      await using world = await openWorld(engine);
      const options = { database: world.database, now: () => world.clock.at };
      const history = createTagHistory(options);
      for (const text of ['one', 'two']) {
        await push(world, app, await imageWithBlobs(world, app, text), { tag: 'latest' });
      }
      const { id } = await world.database.read
        .selectFrom('projects')
        .select('id')
        .where('name', '=', 'local')
        .executeTakeFirstOrThrow();
      const all = { pattern: '**', excludes: false };
      const rule = { repositories: all, tags: { ...all, pattern: 'latest' } };
      await createImmutableRules(options).create(id, { disabled: false, rule }, bob);

      await assert.rejects(history.rollBack(latest, bob), { code: 'TAG_IMMUTABLE' });
    });
  });
}
