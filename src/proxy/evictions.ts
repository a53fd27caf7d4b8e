import { bytesToFree, type EvictionRule, mayFit } from '../../policies/eviction.ts';
import type { Blobs } from '../catalog/blobs.ts';
import type { CachedBlobs } from '../catalog/cached-blobs.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';

export interface EvictionsOptions {
  readonly cached: CachedBlobs;
  readonly blobs: Pick<Blobs, 'collect'>;
  readonly store: Pick<BlobStore, 'space'>;
  readonly rule: EvictionRule;
  readonly intervalMs?: number;
}

/** Makes room by taking away cached blobs, those first that nobody read for the longest time. Disposing ends its timer. */
export interface Evictions extends AsyncDisposable {
  /** Looks whether a watermark is passed, and comes back below it. It does so by itself now and then, too. */
  run(): Promise<void>;
  /**
   * Resolves to whether so many bytes may be written now. They may be the first of `whole`: for what would not fit into an
   * empty cache nothing is taken away.
   */
  makeRoom(bytes: number, options?: { readonly whole?: number }): Promise<boolean>;
}

const INTERVAL_MS = 60_000;
/** Looked up at once: eviction goes on while others write. */
const BATCH = 100;
/** What fills leave to the database and to pushes, unless the filesystem is tiny. */
const RESERVE_BYTES = 64 * 1024 * 1024;
const RESERVE_SHARE = 0.01;

export function createEvictions(options: EvictionsOptions): Evictions {
  const { store, intervalMs = INTERVAL_MS } = options;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: each sees what the one before it has freed. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  const run = (): Promise<void> =>
    inTurn(async () => {
      if (await evict(options, 0)) await options.blobs.collect();
    });
  const timer = setInterval(() => {
    run().catch((error: unknown) => {
      if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work: 'eviction', error });
    });
  }, intervalMs);
  timer.unref();

  return {
    run,

    async makeRoom(bytes, { whole = bytes } = {}) {
      if (await hasRoom(store, whole)) return true;
      return inTurn(async () => {
        if (!(await wouldFit(options, whole))) return false;
        if (await hasRoom(store, bytes)) return true;
        const { total } = await store.space();
        await evict(options, bytes + reserveOf(total));
        // Somebody waits: what is condemned goes without its grace.
        await options.blobs.collect({ graceMs: 0 });
        return hasRoom(store, bytes);
      });
    },

    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await last;
    },
  };
}

/** @returns whether anything was condemned */
async function evict({ cached, store, rule }: EvictionsOptions, wanted: number): Promise<boolean> {
  const space = await store.space();
  const most = { ...space, condemned: 0, cached: Number.POSITIVE_INFINITY, wanted };
  // Adding up the cache is the costly part, and needed only when something has to go.
  if (rule.maxBytes === undefined && bytesToFree(most, rule) === 0) return false;
  const needed = bytesToFree({ ...space, ...(await cached.totals()), wanted }, rule);
  let freed = 0;
  while (freed < needed) {
    const bytes = await evictOldest(cached, needed - freed);
    // Somebody read or took over all of them since they were looked up.
    if (bytes === 0) break;
    freed += bytes;
  }
  return freed > 0;
}

async function evictOldest(cached: CachedBlobs, bytes: number): Promise<number> {
  let freed = 0;
  for (const blob of await cached.oldest(BATCH)) {
    if (freed >= bytes) break;
    if (await cached.evict(blob)) freed += blob.size;
  }
  return freed;
}

async function wouldFit(
  { cached, store }: Pick<EvictionsOptions, 'cached' | 'store'>,
  bytes: number,
): Promise<boolean> {
  if (await hasRoom(store, bytes)) return true;
  const { total, free } = await store.space();
  return mayFit({ free, ...(await cached.totals()) }, bytes + reserveOf(total));
}

async function hasRoom(store: Pick<BlobStore, 'space'>, bytes: number): Promise<boolean> {
  const { total, free } = await store.space();
  return free >= bytes + reserveOf(total);
}

function reserveOf(total: number): number {
  return Math.min(RESERVE_BYTES, total * RESERVE_SHARE);
}
