import type { ExpressionBuilder } from 'kysely';
import type { Database, Queries } from '../database/database.ts';
import type { BlobState, Tables } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { evicted } from '../telemetry/channels.ts';
import { unlinkBlob } from './blob-rows.ts';

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

export function createCachedBlobs(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): CachedBlobs {
  const { database, now } = options;
  return {
    async totals() {
      const inState = (state: BlobState) =>
        database.read
          .selectFrom('blobs')
          .select(bytesInAll)
          .where('state', '=', state)
          .executeTakeFirstOrThrow();
      const condemned = await inState('condemned');
      const present = await inState('present');
      const cached = await cachedOnly(database.read).select(bytesInAll).executeTakeFirstOrThrow();
      return { condemned: condemned.bytes, cached: cached.bytes, present: present.bytes };
    },

    async oldest(limit) {
      return cachedOnly(database.read)
        .select(['digest', 'size', 'accessed_at as accessedAt'])
        .orderBy('accessed_at')
        .limit(limit)
        .execute();
    },

    async evict({ digest, size, accessedAt }) {
      const isDone = await database.write(async (transaction) => {
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
      });
      if (isDone && evicted.hasSubscribers) evicted.publish({ digest, bytes: size });
      return isDone;
    },
  };
}

/** A sum of int64 is no int64 to PostgreSQL, and the sum of nothing is null. */
function bytesInAll(row: ExpressionBuilder<Tables, 'blobs'>) {
  const sum = row.fn.coalesce(row.fn.sum('size'), row.val(0));
  return row.cast<number>(sum, 'bigint').as('bytes');
}

/** Present, in some cache, and in nothing but caches. */
function cachedOnly(queries: Queries) {
  return queries
    .selectFrom('blobs')
    .where('state', '=', 'present')
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
