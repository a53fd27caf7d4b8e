import { setImmediate as turn } from 'node:timers/promises';
import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { straysCondemned } from '../telemetry/channels.ts';
import { announceBlob } from './blob-rows.ts';
import type { DigestLocks } from './digest-locks.ts';

export interface SweepPorts {
  readonly database: Database;
  readonly store: Pick<BlobStore, 'stored' | 'size'>;
  /** Those that `keep` and the collection take: what they have in hand is no stray. */
  readonly locks: DigestLocks;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** Looked up in one query. */
const BATCH = 500;
/**
 * Longer than what else is condemned waits: where many files have no row, somebody has most likely started the node on
 * the metadata of another day, and needs time to see the warning.
 */
const PATIENCE_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Condemns stored bytes without a row, so that they go as all others do. A crash between the row and the file of a
 * collected blob leaves them, and a power cut, since nobody syncs that a file is gone. They count as condemned a week
 * from now, and go after the grace period from then. Aborting ends it early.
 *
 * @returns how many
 */
export async function sweepBlobs(
  ports: SweepPorts,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<number> {
  let condemned = 0;
  let batch: Digest[] = [];
  for await (const digest of ports.store.stored()) {
    if (signal?.aborted === true) break;
    batch.push(digest);
    if (batch.length < BATCH) continue;
    condemned += await condemnStrays(ports, batch);
    batch = [];
    // The embedded database answers in the same turn of the event loop, so that nobody else would have one.
    await turn();
  }
  if (signal?.aborted !== true) condemned += await condemnStrays(ports, batch);
  if (condemned > 0 && straysCondemned.hasSubscribers)
    straysCondemned.publish({ blobs: condemned });
  return condemned;
}

async function condemnStrays(ports: SweepPorts, batch: readonly Digest[]): Promise<number> {
  if (batch.length === 0) return 0;
  const rows = await ports.database.read
    .selectFrom('blobs')
    .select('digest')
    .where('digest', 'in', batch)
    .execute();
  const known = new Set(rows.map(({ digest }) => digest));
  const outcomes = await Promise.all(
    batch.filter((digest) => !known.has(digest)).map((digest) => condemnStray(ports, digest)),
  );
  return outcomes.filter((wasStray) => wasStray).length;
}

async function condemnStray(
  { database, store, locks, now }: SweepPorts,
  digest: Digest,
): Promise<boolean> {
  return locks.holding(digest, async () => {
    const size = await store.size(digest);
    // The collection had deleted its row, and has removed the file by now.
    if (size === undefined) return false;
    const at = now() + PATIENCE_MS;
    await database.write((transaction) => announceBlob(transaction, { digest, size, at }));
    return true;
  });
}
