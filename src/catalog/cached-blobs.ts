import type { ExpressionBuilder, SelectQueryBuilder } from 'kysely';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { evicted } from '../telemetry/channels.ts';
import type { AccessTimes } from './access-times.ts';
import { unlinkBlob } from './blob-rows.ts';

export interface CachedBlobsOptions {
  readonly database: Database;
  readonly accessTimes: Pick<AccessTimes, 'isUnwritten'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface CachedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds UTC. */
  readonly accessedAt: number;
}

/** What eviction has to know and does: only blobs that nothing but caches hold. */
export interface CachedBlobs {
  /** Bytes that are condemned already, and bytes that could be. */
  totals(): Promise<{
    readonly condemned: number;
    readonly cached: number;
    /** Of all present blobs, owned ones included. */
    readonly present: number;
  }>;
  /** Of all present blobs, as added up in the last ten seconds: anybody may ask for metrics, as often as they like. */
  presentBytes(): Promise<number>;
  /** Those that were not read for the longest time first. */
  oldest(limit: number): Promise<readonly CachedBlob[]>;
  /**
   * Takes it out of every cache and condemns it, unless it was read since or somebody owns it by now. Readers that have
   * it open go on.
   *
   * @returns whether it was done
   */
  evict(blob: CachedBlob): Promise<boolean>;
}

const REMEMBERED_MS = 10_000;

export function createCachedBlobs(options: CachedBlobsOptions): CachedBlobs {
  const { database, now } = options;
  let known: { readonly until: number; readonly bytes: Promise<number> } | undefined;
  return {
    async totals() {
      const { read } = database;
      const condemned = await bytesOf(read.selectFrom('blobs').where('state', '=', 'condemned'));
      const present = await bytesOf(presentBlobs(read));
      // A present blob is in some repository. What nothing but caches hold, one by one, would take fifty times as long.
      const owned = await bytesOf(
        presentBlobs(read).where('digest', 'in', (query) =>
          query
            .selectFrom('blob_links')
            .select('blob_links.digest')
            .where('blob_links.ownership', 'in', ['origin', 'replica']),
        ),
      );
      return { condemned, cached: present - owned, present };
    },

    async presentBytes() {
      const at = now();
      if (known === undefined || at >= known.until) {
        known = { until: at + REMEMBERED_MS, bytes: bytesOf(presentBlobs(database.read)) };
        known.bytes.catch(() => {
          known = undefined;
        });
      }
      return known.bytes;
    },

    async oldest(limit) {
      return cachedOnly(database.read)
        .select(['digest', 'size', 'accessed_at as accessedAt'])
        .orderBy('accessed_at')
        .limit(limit)
        .execute();
    },

    async evict(blob) {
      const isDone = await database.write((transaction) => evictOne(transaction, blob, options));
      if (isDone && evicted.hasSubscribers) {
        evicted.publish({ digest: blob.digest, bytes: blob.size });
      }
      return isDone;
    },
  };
}

async function evictOne(
  transaction: WriteTransaction,
  { digest, accessedAt }: CachedBlob,
  { accessTimes, now }: CachedBlobsOptions,
): Promise<boolean> {
  if (accessTimes.isUnwritten(digest)) return false;
  const still = await cachedOnly(transaction)
    .select('digest')
    .where('digest', '=', digest)
    .where('accessed_at', '<=', accessedAt)
    .executeTakeFirst();
  if (still === undefined) return false;
  const holders = await transaction
    .selectFrom('blob_links')
    .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
    .select(['repositories.id', 'repositories.name', 'repositories.project'])
    .where('blob_links.digest', '=', digest)
    .execute();
  for (const repository of holders) {
    await unlinkBlob(transaction, repository, { digest, at: now() });
  }
  return true;
}

async function bytesOf(blobs: SelectQueryBuilder<Tables, 'blobs', object>): Promise<number> {
  const { bytes } = await blobs.select(bytesInAll).executeTakeFirstOrThrow();
  return bytes;
}

/** A sum of int64 is no int64 to PostgreSQL, and the sum of nothing is null. */
function bytesInAll(row: ExpressionBuilder<Tables, 'blobs'>) {
  const sum = row.fn.coalesce(row.fn.sum('size'), row.val(0));
  return row.cast<number>(sum, 'bigint').as('bytes');
}

/**
 * Not by `state`, which means the same: SQLite takes the index of that then, and sorts all of them for the oldest hundred
 * (1.2 s instead of 1 ms for 200,000).
 */
function presentBlobs(queries: Queries) {
  return queries.selectFrom('blobs').where('condemned_at', 'is', null);
}

/** Present, in some cache, and in nothing but caches. */
function cachedOnly(queries: Queries) {
  return presentBlobs(queries)
    .where((is) =>
      is.exists(
        is
          .selectFrom('blob_links')
          .select('blob_links.repository')
          .whereRef('blob_links.digest', '=', 'blobs.digest'),
      ),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('blob_links')
            .select('blob_links.repository')
            .whereRef('blob_links.digest', '=', 'blobs.digest')
            .where('blob_links.ownership', '!=', 'cache'),
        ),
      ),
    );
}
