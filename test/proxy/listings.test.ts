import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../support/until.ts';
import {
  addImage,
  HOUR,
  MINUTE,
  openWorld,
  PATH,
  REPOSITORY,
  SECOND,
  soon,
  trouble,
  type World,
  type WorldOptions,
} from './support/world.ts';

const TAGS = /\/tags\/list/;

describe('the tags of a repository of a proxy project', () => {
  it('are those of upstream and those that were cached since it listed them, in byte order', async () => {
    await using world = await openWorld();
    const { manifest } = addImage(world, 'c');
    for (const tag of ['a', 'B', '10', '9']) world.upstream.tag(PATH, tag, manifest.digest);
    await tagsOf(world);
    world.pass(SECOND);
    addImage(world, 'b');
    await world.manifest('b');

    assert.deepEqual(await tagsOf(world), ['10', '9', 'B', 'a', 'b', 'c']);
    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  it('are without those that upstream has lost since they were cached', async () => {
    await using world = await withLostTag();

    assert.deepEqual(await tagsOf(world), ['kept']);
    await assert.rejects(world.manifest('lost'), { code: 'MANIFEST_UNKNOWN' });
    assert.deepEqual(await tagsOf(world), ['kept']);
    world.upstream.tag(PATH, 'lost', (await world.manifest('kept')).digest);
    world.pass(MINUTE);
    await world.manifest('lost');
    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('have those that upstream has lost where the rule for such a tag serves them', async () => {
    await using world = await withLostTag({
      settings: { freshness: [{ tags: 'lo*', onNotFound: 'serveCached' }] },
    });

    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('have a tag that was cached while upstream was still listing', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    const listing = Promise.withResolvers<void>();
    world.upstream.behave({ path: TAGS }, { hold: listing.promise });
    const list = tagsOf(world);
    await until(() => world.upstream.count({ path: TAGS }) === 1);
    world.pass(SECOND);
    addImage(world, 'b');
    await world.manifest('b');
    world.pass(SECOND);
    world.upstream.remove(PATH, 'b');
    listing.resolve();
    await list;

    assert.deepEqual(await tagsOf(world), ['a', 'b']);
    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  it('have those that were copied here on purpose, whatever upstream lists', async () => {
    await using world = await withLostTag();
    await world.node.database.write((transaction) =>
      transaction.updateTable('tags').set({ ownership: 'replica' }).execute(),
    );

    assert.deepEqual(await tagsOf(world), ['kept', 'lost']);
  });

  it('are paged as one list', async () => {
    await using world = await openWorld({ upstream: { pageSize: 2 } });
    for (const tag of ['a', 'b', 'c', 'd', 'e']) addImage(world, tag);

    assert.deepEqual(await tagsOf(world, { limit: 2 }), ['a', 'b']);
    assert.deepEqual(await tagsOf(world, { last: 'b', limit: 2 }), ['c', 'd']);
    assert.deepEqual(await tagsOf(world, { last: 'bb' }), ['c', 'd', 'e']);
    assert.deepEqual(await tagsOf(world, { limit: 0 }), []);
    assert.equal(world.upstream.count({ path: TAGS }), 3);
  });

  it('are asked for again once they are stale', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    await tagsOf(world);
    addImage(world, 'b');

    assert.deepEqual(await tagsOf(world), ['a']);
    world.pass(5 * MINUTE);
    assert.deepEqual(await tagsOf(world), ['a', 'b']);
  });

  it('are asked for once by all who ask at the same time', async () => {
    await using world = await openWorld();
    addImage(world, 'a');

    await Promise.all(Array.from({ length: 10 }, () => tagsOf(world)));

    assert.equal(world.upstream.count({ path: TAGS }), 1);
  });

  for (const how of [
    { status: 500 },
    { status: 429 },
    { reset: true },
    { body: '<html>', status: 418 },
  ]) {
    it(`are those that upstream listed last where it answers ${JSON.stringify(how)}`, async () => {
      await using world = await openWorld();
      addImage(world, 'a');
      addImage(world, 'b');
      await tagsOf(world);
      world.pass(HOUR);
      trouble(world, how);

      assert.deepEqual(await tagsOf(world), ['a', 'b']);
    });
  }

  it('are the cached ones where upstream is away and never listed any', async () => {
    await using world = await openWorld();
    addImage(world, 'a');
    addImage(world, 'b');
    await world.manifest('a');
    await world.restart();
    trouble(world, { reset: true });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  it('are waited for no longer than the deadline where the cache has some', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ resolveDeadline: '50ms' }] },
      questionDeadlineMs: 60_000,
    });
    addImage(world, 'a');
    await world.manifest('a');
    trouble(world, { silent: true });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  for (const [how, code] of [
    [{ status: 500 }, 'UPSTREAM_UNAVAILABLE'],
    [{ status: 429 }, 'TOOMANYREQUESTS'],
    [{ status: 403 }, 'UPSTREAM_DENIED'],
    [{ status: 404 }, 'NAME_UNKNOWN'],
  ] as const) {
    it(`are ${code} where upstream answers ${how.status} and nothing is cached`, async () => {
      await using world = await openWorld();
      trouble(world, how);

      await assert.rejects(tagsOf(world), { code });
      assert.equal(await world.isKnown(REPOSITORY), false);
    });
  }

  for (const [status, code] of [
    [403, 'UPSTREAM_DENIED'],
    [404, 'NAME_UNKNOWN'],
  ] as const) {
    it(`are ${code} where upstream answers ${status}, though some are cached`, async () => {
      await using world = await openWorld();
      addImage(world, 'a');
      await world.manifest('a');
      trouble(world, { status });

      await assert.rejects(tagsOf(world), { code });
    });
  }

  it('of a repository that upstream has lost are the cached ones where the rule says so', async () => {
    await using world = await openWorld({
      settings: { freshness: [{ onNotFound: 'serveCached' }] },
    });
    addImage(world, 'a');
    await world.manifest('a');
    trouble(world, { status: 404 });

    assert.deepEqual(await tagsOf(world), ['a']);
  });

  it('are those of the catalog in a hosted project', async () => {
    await using world = await openWorld();

    const signal = soon();
    await assert.rejects(world.node.pulls.tags('local/app', { signal }), { code: 'NAME_UNKNOWN' });
    assert.equal(world.upstream.requests.length, 0);
  });
});

/** Two tags are cached; upstream has one of them no more. */
async function withLostTag(options: WorldOptions = {}): Promise<World> {
  await using opened = new AsyncDisposableStack();
  const world = opened.use(await openWorld(options));
  for (const tag of ['kept', 'lost']) {
    addImage(world, tag);
    await world.manifest(tag);
  }
  world.upstream.remove(PATH, 'lost');
  world.pass(HOUR);
  opened.move();
  return world;
}

function tagsOf({ node }: World, page: { last?: string; limit?: number } = {}) {
  return node.pulls.tags(REPOSITORY, { ...page, signal: soon() });
}
