/** What pushing, copying and deleting a manifest does to rows: itself, its tags, their history and the feed, together. */
import type { WriteTransaction } from '../database/database.ts';
import type { ReferenceMode } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { refuseHeldByTag } from './held-content.ts';
import { deleteManifest, type IncomingManifest, storeManifest } from './manifest-rows.ts';
import { isOwned, type OwnedOwnership } from './ownership.ts';
import type { Repository } from './repositories.ts';
import { type Act, pointTags, removeTags } from './tag-rows.ts';

export interface OwnedManifest extends Omit<IncomingManifest, 'ownership' | 'actor' | 'at'> {
  /** Each once. */
  readonly tags: readonly string[];
  readonly references: ReferenceMode;
  /** `replica`: a policy copies it, or a member of the federation. */
  readonly ownership: OwnedOwnership;
}

/** @throws OciError MANIFEST_BLOB_UNKNOWN with `{ missing: Digest[] }` as detail, TAG_IMMUTABLE, DENIED over the project's limit */
export async function keepOwned(
  transaction: WriteTransaction,
  repository: Repository,
  { tags, references, ...incoming }: OwnedManifest,
  act: Act,
): Promise<void> {
  const { digest, parsed, bytes, ownership } = incoming;
  const { actor, at } = act;
  const stored = await storeManifest(transaction, repository, { ...incoming, actor, at });
  if (references === 'strict' && stored.missing.length > 0) {
    throw new OciError('MANIFEST_BLOB_UNKNOWN', { detail: { missing: stored.missing } });
  }
  const manifest = {
    mediaType: parsed.mediaType,
    artifactType: parsed.artifactType,
    subject: parsed.subject?.digest,
    size: bytes.length,
  };
  const isNew = stored.former === undefined || !isOwned(stored.former);
  await pointTags(transaction, { repository, digest, manifest, isNew, tags, ownership }, act);
}

/** With all tags on it. @throws OciError MANIFEST_UNKNOWN, TAG_IMMUTABLE where one is on it, or on an index that lists it */
export async function removeManifest(
  transaction: WriteTransaction,
  repository: Repository,
  digest: Digest,
  act: Act,
): Promise<void> {
  const manifest = await transaction
    .selectFrom('manifests')
    .select('ownership')
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (manifest === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: digest });
  const tags = await transaction
    .selectFrom('tags')
    .selectAll()
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .orderBy('name')
    .execute();
  await refuseHeldByTag(transaction, repository, digest);
  const removal = { repository, tags, deleted: isOwned(manifest.ownership) ? [digest] : [] };
  await removeTags(transaction, removal, act);
  await deleteManifest(transaction, repository, digest);
}
