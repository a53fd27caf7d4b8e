import type { Queries, WriteTransaction } from '../database/database.ts';
import type { DigestAlgorithm } from '../oci/digest.ts';

/** An unfinished push as its row knows it. */
export interface UploadSession {
  /** Also the name of its staged file. */
  readonly id: string;
  readonly repository: string;
  readonly caller: string;
  readonly algorithm: DigestAlgorithm;
  /** Bytes acknowledged, which are synced. */
  readonly received: number;
  /** When bytes came last. Milliseconds UTC. */
  readonly updatedAt: number;
}

export async function findUpload(queries: Queries, id: string): Promise<UploadSession | undefined> {
  return sessions(queries).where('uploads.id', '=', id).executeTakeFirst();
}

/** Milliseconds UTC. */
export async function uploadsIdleSince(
  queries: Queries,
  before: number,
): Promise<readonly UploadSession[]> {
  return sessions(queries)
    .where('uploads.updated_at', '<', before)
    .orderBy('uploads.updated_at')
    .execute();
}

/** @returns whether the session is there */
export async function recordReceived(
  transaction: WriteTransaction,
  { id, received, at }: { readonly id: string; readonly received: number; readonly at: number },
): Promise<boolean> {
  const row = await transaction
    .updateTable('uploads')
    .set({ received, updated_at: at })
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** @returns whether the session was there */
export async function deleteUpload(transaction: WriteTransaction, id: string): Promise<boolean> {
  const { numDeletedRows } = await transaction
    .deleteFrom('uploads')
    .where('id', '=', id)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

function sessions(queries: Queries) {
  return queries
    .selectFrom('uploads')
    .innerJoin('repositories', 'repositories.id', 'uploads.repository')
    .select([
      'uploads.id',
      'repositories.name as repository',
      'uploads.caller',
      'uploads.algorithm',
      'uploads.received',
      'uploads.updated_at as updatedAt',
    ]);
}
