import { LRUCache } from 'lru-cache';
import type { CacheStore } from '../cache/cache.ts';

/** What upstream listed, in byte order and each tag once. */
export interface TagList {
  readonly entries: readonly string[];
  /** When it was asked. Milliseconds UTC. */
  readonly checkedAt: number;
}

/** Of all lists together. As long as a list that a registry may give here (`pagesBytes`), whose quotes and commas it lacks. */
const MOST_BYTES = 128 * 1024 * 1024;
/** What V8 takes for a short string and for its place in an array. */
const STRING_BYTES = 24;

/**
 * Tag lists ready to be paged: a hint of a hundred thousand tags that is read anew for each page blocks the node for half a
 * second each time. Beside the hint that nodes share, which has no room for the largest.
 */
export class TagLists implements CacheStore<TagList> {
  readonly #shared: CacheStore<TagList>;
  readonly #ready: LRUCache<string, TagList>;

  constructor(
    shared: CacheStore<TagList>,
    { mostBytes = MOST_BYTES }: { readonly mostBytes?: number } = {},
  ) {
    this.#shared = shared;
    this.#ready = new LRUCache({ maxSize: mostBytes, sizeCalculation: sizeOf });
  }

  async get(key: string): Promise<TagList | undefined> {
    const ready = this.#ready.get(key);
    if (ready !== undefined) return ready;
    const shared = await this.#shared.get(key);
    if (shared !== undefined) this.#ready.set(key, shared);
    return shared;
  }

  async set(key: string, list: TagList, ttlMs: number): Promise<void> {
    if (ttlMs > 0) this.#ready.set(key, list, { ttl: ttlMs });
    await this.#shared.set(key, list, ttlMs);
  }

  async delete(key: string): Promise<void> {
    this.#ready.delete(key);
    await this.#shared.delete(key);
  }
}

/** In byte order, each once: tags are ASCII (distribution-spec v1.1.1 "Pulling manifests"). */
export function inOrder(tags: readonly string[]): readonly string[] {
  return [...new Set(tags)].toSorted();
}

/** The tags of either after `last`, at most `limit`. `listed` is in order; `more` need not be. */
export function pageOf(
  listed: readonly string[],
  more: readonly string[],
  { last = '', limit }: { readonly last?: string; readonly limit?: number | undefined },
): readonly string[] {
  const start = placeAfter(listed, last);
  const page = listed.slice(start, limit === undefined ? undefined : start + limit);
  const added = more.filter((tag) => tag > last && listed[placeAfter(listed, tag) - 1] !== tag);
  return added.length === 0 ? page : inOrder([...page, ...added]).slice(0, limit);
}

/** The place of the first entry after it. */
function placeAfter(entries: readonly string[], tag: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] ?? '') <= tag) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sizeOf({ entries }: TagList, key: string): number {
  return entries.reduce((sum, tag) => sum + tag.length + STRING_BYTES, key.length + STRING_BYTES);
}
