/**
 * Hints that are cheap to lose and worth sharing between the nodes of a site: upstream tokens, negative answers.
 * Never the only copy of anything, never a lock or a counter.
 */
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import type { z } from 'zod';

/** Values of one kind, each with a time to live. A store that cannot be reached is an empty one. */
export interface CacheStore<Value> {
  /** Undefined when it was never kept, has expired, or is not of this kind (written by another version). */
  get(key: string): Promise<Value | undefined>;
  /** `ttlMs` of 0 or less keeps nothing. */
  set(key: string, value: Value, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface Cache {
  /** Two stores of one name are the same store; values are JSON. */
  store<Value>(name: string, schema: z.ZodType<Value>): CacheStore<Value>;
}

// A token is some kilobytes: this many are tens of megabytes at worst, and more than any node has scopes in use.
const MOST_ENTRIES = 10_000;

/** In this process alone; the least recently used entries of each store go first when there are more than `most`. */
export function createMemoryCache({ most = MOST_ENTRIES }: { most?: number } = {}): Cache {
  const stores = new Map<string, Keyv>();
  return {
    store(name, schema) {
      const known = stores.get(name);
      if (known !== undefined) return storeOf(known, schema);
      // keyv's own Map never forgets what nobody asks for again.
      const keyv = new Keyv({ store: boundedMap(most), namespace: name });
      stores.set(name, keyv);
      return storeOf(keyv, schema);
    },
  };
}

function storeOf<Value>(keyv: Keyv, schema: z.ZodType<Value>): CacheStore<Value> {
  return {
    async get(key) {
      return schema.safeParse(await keyv.get<unknown>(key)).data;
    },
    async set(key, value, ttlMs) {
      // To keyv, a time to live of 0 is for ever.
      if (ttlMs > 0) await keyv.set(key, value, ttlMs);
    },
    async delete(key) {
      await keyv.delete(key);
    },
  };
}

/** The methods of Map that keyv calls. */
function boundedMap(most: number) {
  const entries = new LRUCache<string, string>({ max: most });
  return {
    get: (key: string) => entries.get(key),
    set(key: string, value: string): void {
      entries.set(key, value);
    },
    delete: (key: string) => entries.delete(key),
    clear: () => entries.clear(),
  };
}
