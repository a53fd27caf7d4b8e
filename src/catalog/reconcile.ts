import type { Database } from '../database/database.ts';
import type { BlobStore } from '../storage/blob-store.ts';

export interface Reconciled {
  readonly removedFiles: number;
  readonly droppedUploads: number;
  readonly droppedFills: number;
}

/**
 * Makes staged files and the rows that know them agree again, as a crash may have left one without the other. Runs once
 * at start, before anything is received.
 */
export async function reconcile(
  database: Database,
  store: Pick<BlobStore, 'staged' | 'stage'>,
): Promise<Reconciled> {
  const files = new Set(await store.staged());
  // A session that has received nothing has no file yet.
  const uploads = await database.read.selectFrom('uploads').select(['id', 'received']).execute();
  const fills = await database.read.selectFrom('fills').select(['digest', 'staged']).execute();
  const lostUploads = uploads.filter(({ id, received }) => received > 0 && !files.has(id));
  const lostFills = fills.filter(({ staged }) => !files.has(staged));
  await database.write(async (transaction) => {
    for (const { id } of lostUploads) {
      await transaction.deleteFrom('uploads').where('id', '=', id).execute();
    }
    for (const { digest } of lostFills) {
      await transaction.deleteFrom('fills').where('digest', '=', digest).execute();
    }
  });
  const known = new Set([...uploads.map(({ id }) => id), ...fills.map(({ staged }) => staged)]);
  const orphans = files.difference(known);
  for (const name of orphans) {
    await using file = await store.stage(name);
    await file.discard();
  }
  return {
    removedFiles: orphans.size,
    droppedUploads: lostUploads.length,
    droppedFills: lostFills.length,
  };
}
