import { batchesOf } from '../database/batches.ts';
import type { WriteTransaction } from '../database/database.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { condemnUnlinked } from './blob-rows.ts';
import { forgetBytes } from './manifest-rows.ts';
import { isOwned } from './ownership.ts';
import { dropContents } from './project-contents.ts';
import type { Repository } from './repositories.ts';
import { type Act, tellRemoval } from './tag-rows.ts';

/**
 * Takes the repository away with everything in it: tags, manifests, links to blobs, which are condemned with their last
 * one. The feed tells of what was owned.
 *
 * @returns the unfinished uploads, whose staged files are the caller's to discard once this is committed
 */
export async function removeRepository(
  transaction: WriteTransaction,
  repository: Repository,
  act: Act,
): Promise<readonly string[]> {
  const uploads = await transaction
    .selectFrom('uploads')
    .select('id')
    .where('repository', '=', repository.id)
    .execute();
  const tags = await transaction
    .selectFrom('tags')
    .selectAll()
    .where('repository', '=', repository.id)
    .orderBy('name')
    .execute();
  const manifests = await transaction
    .selectFrom('manifests')
    .select(['digest', 'ownership'])
    .where('repository', '=', repository.id)
    .orderBy('id')
    .execute();
  const links = await transaction
    .selectFrom('blob_links')
    .select('digest')
    .where('repository', '=', repository.id)
    .execute();
  const owned = manifests.filter(({ ownership }) => isOwned(ownership));
  // The rows of tags and their history go with the repository's.
  await tellRemoval(
    transaction,
    { repository, tags, deleted: owned.map(({ digest }) => digest) },
    act,
  );
  await transaction.deleteFrom('repositories').where('id', '=', repository.id).execute();
  for (const batch of batchesOf(manifests.map(({ digest }) => digest))) {
    await forgetBytes(transaction, batch);
    await dropContents(transaction, repository.project, batch);
  }
  for (const batch of batchesOf(links.map(({ digest }) => digest))) {
    await dropContents(transaction, repository.project, batch);
    await condemnUnlinked(transaction, batch, act.at);
  }
  return uploads.map(({ id }) => id);
}

/** Of uploads whose rows are gone. */
export async function discardStaged(
  store: Pick<BlobStore, 'stage'>,
  uploads: readonly string[],
): Promise<void> {
  for (const id of uploads) {
    await using file = await store.stage(id);
    await file.discard();
  }
}
