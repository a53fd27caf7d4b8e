import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { collected, maintenanceFailed } from '../telemetry/channels.ts';
import { announceBlob } from './blob-rows.ts';
import type { DigestLocks } from './digest-locks.ts';

export interface Collected {
  readonly blobs: number;
  readonly bytes: number;
}

export interface CollectionPorts {
  readonly database: Database;
  readonly store: Pick<BlobStore, 'remove'>;
  /** Those that `keep` takes: a file that is just coming in must not go with the row of its predecessor. */
  readonly locks: DigestLocks;
  /** Whether somebody still has to read what was condemned lately. */
  readonly mustWait: () => boolean;
}

/** Taken at once: they share a commit, and nobody waits long behind them. */
const BATCH = 100;

/** Removes what was condemned before that time (milliseconds UTC) and has no link. What stays, since it cannot be removed, is told. */
export async function collectBlobs(
  ports: CollectionPorts,
  condemnedBefore: number,
): Promise<Collected> {
  // Once is enough: to a copy of the data that begins later, all that goes now is condemned already.
  if (ports.mustWait()) return { blobs: 0, bytes: 0 };
  let [blobs, bytes] = [0, 0];
  const failures: unknown[] = [];
  let last: Digest | undefined;
  do {
    const found = await condemned(ports.database, condemnedBefore, last);
    const outcomes = await Promise.allSettled(
      found.map((digest) => collectOne(ports, digest, condemnedBefore)),
    );
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') failures.push(outcome.reason);
      else if (outcome.value !== undefined) {
        blobs += 1;
        bytes += outcome.value;
      }
    }
    last = found.at(-1);
  } while (last !== undefined);
  if (blobs > 0 && collected.hasSubscribers) collected.publish({ blobs, bytes });
  // A disk that refuses one file refuses many: the first says why.
  const [error] = failures;
  if (failures.length > 0 && maintenanceFailed.hasSubscribers) {
    maintenanceFailed.publish({ work: 'collection', error });
  }
  return { blobs, bytes };
}

async function condemned(
  database: Database,
  before: number,
  after: Digest | undefined,
): Promise<readonly Digest[]> {
  let query = database.read
    .selectFrom('blobs')
    .select('digest')
    .where('state', '=', 'condemned')
    .where('condemned_at', '<=', before)
    .orderBy('digest')
    .limit(BATCH);
  if (after !== undefined) query = query.where('digest', '>', after);
  return (await query.execute()).map(({ digest }) => digest);
}

/**
 * Row first, file second: nobody finds a blob without its bytes. That the file is gone is not synced, which would cost
 * more than the removal: one that a crash or a power cut leaves, or brings back, without a row is found by the sweep.
 *
 * @returns bytes, undefined where somebody wants it now
 */
async function collectOne(
  { database, store, locks }: CollectionPorts,
  digest: Digest,
  condemnedBefore: number,
): Promise<number | undefined> {
  return locks.holding(digest, async () => {
    const row = await database.write((transaction) =>
      transaction
        .deleteFrom('blobs')
        .where('digest', '=', digest)
        .where('state', '=', 'condemned')
        .where('condemned_at', '<=', condemnedBefore)
        .where((is) =>
          is.not(
            is.exists(
              is.selectFrom('blob_links').select('repository').where('digest', '=', digest),
            ),
          ),
        )
        .returning('size')
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    try {
      await store.remove(digest);
    } catch (error) {
      // With a row, the next collection finds the file.
      const blob = { digest, size: row.size, at: condemnedBefore };
      await database.write((transaction) => announceBlob(transaction, blob));
      throw error;
    }
    return row.size;
  });
}
