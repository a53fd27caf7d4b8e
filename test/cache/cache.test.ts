import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { createMemoryCache } from '../../src/cache/cache.ts';

const Token = z.object({ token: z.string() });

describe('the short-lived cache', () => {
  it('keeps a value for its time to live and no longer', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 0 });
    const store = createMemoryCache().store('tokens', Token);
    await store.set('a', { token: 'x' }, 1000);

    t.mock.timers.setTime(999);
    assert.deepEqual(await store.get('a'), { token: 'x' });
    t.mock.timers.setTime(1001);
    assert.equal(await store.get('a'), undefined);
  });

  it('keeps nothing that has no time to live', async () => {
    const store = createMemoryCache().store('tokens', Token);

    await store.set('a', { token: 'x' }, 0);

    assert.equal(await store.get('a'), undefined);
  });

  it('forgets what it is told to', async () => {
    const store = createMemoryCache().store('tokens', Token);
    await store.set('a', { token: 'x' }, 1000);

    await store.delete('a');

    assert.equal(await store.get('a'), undefined);
  });

  it('keeps stores of different names apart, and gives one name one store', async () => {
    const cache = createMemoryCache();
    await cache.store('tokens', Token).set('a', { token: 'x' }, 1000);

    assert.deepEqual(await cache.store('tokens', Token).get('a'), { token: 'x' });
    assert.equal(await cache.store('others', Token).get('a'), undefined);
  });

  it('has nothing where somebody else left a value of another kind', async () => {
    const cache = createMemoryCache();
    await cache.store('tokens', z.string()).set('a', 'plain', 1000);

    assert.equal(await cache.store('tokens', Token).get('a'), undefined);
  });

  it('lets the least recently used go when it is full', async () => {
    const store = createMemoryCache({ most: 2 }).store('tokens', z.string());
    await store.set('a', '1', 1000);
    await store.set('b', '2', 1000);
    await store.get('a');

    await store.set('c', '3', 1000);

    assert.deepEqual(
      [await store.get('a'), await store.get('b'), await store.get('c')],
      ['1', undefined, '3'],
    );
  });

  it('lets them go too when they are long', async () => {
    const store = createMemoryCache({ mostBytes: 10_000 }).store('lists', z.string());

    for (const key of ['a', 'b', 'c']) await store.set(key, key.repeat(4000), 1000);
    await store.set('longer than all', 'x'.repeat(20_000), 1000);

    const kept = await Promise.all(['a', 'b', 'c', 'longer than all'].map((key) => store.get(key)));
    assert.deepEqual(
      kept.map((value) => value?.length),
      [undefined, 4000, 4000, undefined],
    );
  });
});
