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

// More than any node has scopes of tokens in use.
const MOST_ENTRIES = 10_000;
// Of each store. A token is some kilobytes, a list of tags may be megabytes.
const MOST_BYTES = 16 * 1024 * 1024;

export interface MemoryCacheOptions {
  /** Entries of each store. */
  readonly most?: number;
  /** Bytes of each store, counted as characters of JSON. */
  readonly mostBytes?: number;
}

/** In this process alone; the least recently used entries of a store go first when there are more than it may have. */
export function createMemoryCache(options: MemoryCacheOptions = {}): Cache {
  const { most = MOST_ENTRIES, mostBytes = MOST_BYTES } = options;
  const stores = new Map<string, Keyv>();
  return {
    store(name, schema) {
      const known = stores.get(name);
      if (known !== undefined) return storeOf(known, schema);
      // keyv's own Map never forgets what nobody asks for again.
      const keyv = new Keyv({ store: boundedMap(most, mostBytes), namespace: name });
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
function boundedMap(most: number, mostBytes: number) {
  const entries = new LRUCache<string, string>({
    max: most,
    maxSize: mostBytes,
    sizeCalculation: (value, key) => key.length + value.length,
  });
  return {
    get: (key: string) => entries.get(key),
    set(key: string, value: string): void {
      entries.set(key, value);
    },
    delete: (key: string) => entries.delete(key),
    clear: () => entries.clear(),
  };
}
