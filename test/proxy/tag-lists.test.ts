import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrder, pageOf, type TagList, TagLists } from '../../src/proxy/tag-lists.ts';
import { MINUTE, openWorld, PATH, REPOSITORY, soon } from './support/world.ts';

const LIST = { entries: ['a', 'b'], checkedAt: 1 };

describe('a list of tags', () => {
  it('is read from what nodes share once, and not for each page', async () => {
    const { store, reads } = shared();
    const lists = new TagLists(store);
    await store.set('k', LIST, 1000);

    const pages = [await lists.get('k'), await lists.get('k'), await lists.get('k')];

    assert.equal(reads.length, 1);
    for (const page of pages) assert.equal(page, pages[0]);
  });

  it('is known here though what nodes share has no room for it', async () => {
    await using world = await openWorld({ cacheBytes: 1000 });
    for (let i = 0; i < 200; i++) {
      world.upstream.addManifest(PATH, { schemaVersion: 2, i }, { tag: `tag-${i}` });
    }
    const page = (last: string) =>
      world.node.pulls.tags(REPOSITORY, { last, limit: 2, signal: soon() });

    assert.deepEqual(await page(''), ['tag-0', 'tag-1']);
    assert.deepEqual(await page('tag-1'), ['tag-10', 'tag-100']);
    assert.deepEqual(await page('tag-98'), ['tag-99']);

    assert.equal(world.upstream.count({ path: /tags\/list/ }), 1);
  });

  it('is not asked for again at once where it is larger than any may be', async () => {
    await using world = await openWorld({
      limits: { pagesBytes: 1000 },
      upstream: { pageSize: 50 },
    });
    for (let i = 0; i < 200; i++) {
      world.upstream.addManifest(PATH, { schemaVersion: 2, i }, { tag: `tag-${i}` });
    }
    const list = () => world.node.pulls.tags(REPOSITORY, { signal: soon() });
    await assert.rejects(list(), { code: 'UPSTREAM_UNAVAILABLE' });
    const asked = world.upstream.count({ path: /tags\/list/ });

    await assert.rejects(list(), { code: 'UPSTREAM_UNAVAILABLE' });
    assert.equal(world.upstream.count({ path: /tags\/list/ }), asked);

    world.pass(MINUTE);
    await assert.rejects(list(), { code: 'UPSTREAM_UNAVAILABLE' });
    assert.equal(world.upstream.count({ path: /tags\/list/ }), 2 * asked);
  });

  it('is not kept where it is larger than all of them may be, and goes where others are needed', async () => {
    const { store, reads } = shared();
    const lists = new TagLists(store, { mostBytes: 200 });
    await lists.set('large', { entries: inOrder(Array.from('abcdefghij')), checkedAt: 1 }, 1000);
    await lists.set('one', LIST, 1000);
    await lists.get('one');
    await lists.get('large');
    assert.deepEqual(reads, ['large']);
  });

  it('ends', async () => {
    const { store } = shared();
    const lists = new TagLists(store);
    await lists.set('k', LIST, 1000);
    await lists.delete('k');
    assert.equal(await lists.get('k'), undefined);
    await lists.set('k', LIST, 0);
    assert.equal(await lists.get('k'), undefined);
  });
});

describe('a page of tags', () => {
  const listed = ['b', 'd', 'f', 'h'];

  for (const { name, more = [], last, limit, page } of [
    { name: 'is all of them without bounds', page: ['b', 'd', 'f', 'h'] },
    { name: 'begins after the last one', last: 'd', page: ['f', 'h'] },
    { name: 'begins after one that is not there', last: 'e', page: ['f', 'h'] },
    { name: 'is empty after all of them', last: 'h', more: ['a'], page: [] },
    { name: 'has at most so many', limit: 2, page: ['b', 'd'] },
    {
      name: 'has what is cached besides',
      more: ['g', 'a', 'b'],
      page: ['a', 'b', 'd', 'f', 'g', 'h'],
    },
    {
      name: 'has it in its place',
      more: ['e', 'c', 'z'],
      last: 'b',
      limit: 3,
      page: ['c', 'd', 'e'],
    },
  ]) {
    it(name, () => {
      const bounds = { ...(last === undefined ? {} : { last }), limit };
      assert.deepEqual(pageOf(listed, more, bounds), page);
    });
  }

  it('has each tag once, in byte order', () => {
    assert.deepEqual(inOrder(['b', 'B', '_', 'a', 'b', '1']), ['1', 'B', '_', 'a', 'b']);
  });
});

function shared() {
  const kept = new Map<string, TagList>();
  const reads: string[] = [];
  const store = {
    async get(key: string) {
      reads.push(key);
      return kept.get(key);
    },
    async set(key: string, list: TagList, ttlMs: number) {
      if (ttlMs > 0) kept.set(key, list);
    },
    async delete(key: string) {
      kept.delete(key);
    },
  };
  return { store, reads };
}
