import type { Database, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';

/** A pull of a manifest, by tag or by digest. */
export interface Pull {
  readonly repository: string;
  readonly digest: Digest;
  readonly tag?: string | undefined;
}

export interface AccessTimesOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  readonly intervalMs?: number;
}

/**
 * When content was last asked for, and how often a repository was pulled from. Kept in memory and written in batches: a
 * crash loses one, which makes content look older by seconds. Disposing writes the last.
 */
export interface AccessTimes extends AsyncDisposable {
  /** Costs a map entry. Not for reads of replication, which say nothing about use. */
  manifestPulled(pull: Pull): void;
  blobRead(digest: Digest): void;
  /** Whether somebody read it and its row does not say so yet; certain within a write. */
  isUnwritten(digest: Digest): boolean;
  /** The same of a pull. */
  isPullUnwritten(repository: string, digest: Digest): boolean;
  /** Writes what has gathered until now. What cannot be written is kept for the next time. */
  flush(): Promise<void>;
}

interface CountedPull extends Pull {
  count: number;
  at: number;
}

const INTERVAL_MS = 10_000;
/** Rows in one write, so that no push waits long behind them. */
const BATCH = 500;

export function createAccessTimes(options: AccessTimesOptions): AccessTimes {
  const { database, now, intervalMs = INTERVAL_MS } = options;
  const pulls = new Map<string, CountedPull>();
  const reads = new Map<Digest, number>();

  const writeBatch = async (): Promise<void> => {
    let somePulls: readonly (readonly [string, CountedPull])[] = [];
    let someReads: readonly (readonly [Digest, number])[] = [];
    try {
      await database.write(async (transaction) => {
        // Taken here and not before: another write finds them either in memory or in the rows.
        somePulls = take(pulls, BATCH);
        someReads = take(reads, BATCH);
        await writePulls(transaction, somePulls);
        await writeReads(transaction, someReads);
      });
    } catch (error) {
      for (const [key, pull] of somePulls) pulls.set(key, merged(pull, pulls.get(key)));
      for (const [digest, at] of someReads) reads.set(digest, reads.get(digest) ?? at);
      throw error;
    }
  };
  // As many as there are now: under load more come during each write, and each commit makes memory caches look again.
  const flush = async (): Promise<void> => {
    for (let left = Math.max(pulls.size, reads.size); left > 0; left -= BATCH) await writeBatch();
  };

  const timer = setInterval(() => {
    flush().catch((error: unknown) => {
      if (maintenanceFailed.hasSubscribers)
        maintenanceFailed.publish({ work: 'access-times', error });
    });
  }, intervalMs);
  timer.unref();

  return {
    manifestPulled(pull) {
      const key = `${pull.repository}@${pull.digest}:${pull.tag ?? ''}`;
      const known = pulls.get(key);
      if (known === undefined) {
        pulls.set(key, { ...pull, count: 1, at: now() });
        return;
      }
      known.count += 1;
      known.at = now();
    },
    blobRead(digest) {
      reads.set(digest, now());
    },
    isUnwritten: (digest) => reads.has(digest),
    isPullUnwritten: (repository, digest) =>
      pulls.values().some((pull) => pull.digest === digest && pull.repository === repository),
    flush,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await flush();
    },
  };
}

/** The first entries, which leave the map. */
function take<K, V>(map: Map<K, V>, most: number): readonly (readonly [K, V])[] {
  const taken = map.entries().take(most).toArray();
  for (const [key] of taken) map.delete(key);
  return taken;
}

function merged(older: CountedPull, newer: CountedPull | undefined): CountedPull {
  return newer === undefined ? older : { ...newer, count: older.count + newer.count };
}

async function writePulls(
  transaction: WriteTransaction,
  pulls: readonly (readonly [string, CountedPull])[],
): Promise<void> {
  for (const [, { repository, digest, tag, count, at }] of pulls) {
    const row = await transaction
      .updateTable('repositories')
      .set((current) => ({ pull_count: current('pull_count', '+', count) }))
      .where('name', '=', repository)
      .returning('id')
      .executeTakeFirst();
    // Deleted meanwhile, as the manifest and the tag may be.
    if (row === undefined) continue;
    await transaction
      .updateTable('manifests')
      .set({ pulled_at: at })
      .where('repository', '=', row.id)
      .where('digest', '=', digest)
      .execute();
    if (tag === undefined) continue;
    await transaction
      .updateTable('tags')
      .set({ pulled_at: at })
      .where('repository', '=', row.id)
      .where('name', '=', tag)
      .execute();
  }
}

async function writeReads(
  transaction: WriteTransaction,
  reads: readonly (readonly [Digest, number])[],
): Promise<void> {
  for (const [digest, at] of reads) {
    await transaction
      .updateTable('blobs')
      .set({ accessed_at: at })
      .where('digest', '=', digest)
      .execute();
  }
}
