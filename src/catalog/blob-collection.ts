import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { collected } from '../telemetry/channels.ts';
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
}

/** Taken at once: they share a commit, and nobody waits long behind them. */
const BATCH = 100;

/** Removes what was condemned before that time and has no link. Milliseconds UTC. */
export async function collectBlobs(
  ports: CollectionPorts,
  condemnedBefore: number,
): Promise<Collected> {
  let [blobs, bytes] = [0, 0];
  let last: Digest | undefined;
  do {
    const found = await condemned(ports.database, condemnedBefore, last);
    const sizes = await Promise.all(
      found.map((digest) => collectOne(ports, digest, condemnedBefore)),
    );
    for (const size of sizes) {
      if (size === undefined) continue;
      blobs += 1;
      bytes += size;
    }
    last = found.at(-1);
  } while (last !== undefined);
  if (blobs > 0 && collected.hasSubscribers) collected.publish({ blobs, bytes });
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

/** Row first, file second: nobody finds a blob without its bytes. @returns bytes, undefined where somebody wants it now */
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
    await store.remove(digest);
    return row.size;
  });
}
