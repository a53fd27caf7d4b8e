import type { WriteTransaction } from '../database/database.ts';
import type { ManifestRow, Ownership } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { ParsedManifest } from '../oci/manifest.ts';
import { isOwned, strongerOf } from './ownership.ts';
import { addContent, dropContents } from './project-contents.ts';
import {
  completeReferrersTo,
  insertReferences,
  missingReferences,
  uncompleteReferrersTo,
} from './references.ts';
import type { Repository } from './repositories.ts';

/** A manifest on its way into a repository, its digest verified. */
export interface IncomingManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly parsed: ParsedManifest;
  readonly ownership: Ownership;
  /** Who brings it; nobody's name for cached content. */
  readonly actor: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

export interface StoringFacts {
  /** What it was before; undefined for a manifest that is new to the repository. */
  readonly former: Ownership | undefined;
  /** What it refers to and the repository lacks. */
  readonly missing: readonly Digest[];
}

/**
 * Bytes, row, references and size, together. Bringing the same again renews its push time, or nothing when cached.
 *
 * @throws OciError MANIFEST_INVALID where the repository owns it as another media type
 */
export async function storeManifest(
  transaction: WriteTransaction,
  repository: Repository,
  incoming: IncomingManifest,
): Promise<StoringFacts> {
  const { digest, bytes, parsed, ownership } = incoming;
  const missing = await missingReferences(transaction, repository.id, parsed.references);
  const complete = missing.length === 0 ? 1 : 0;
  const known = await transaction
    .selectFrom('manifests')
    .select(['id', 'ownership', 'media_type'])
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (known !== undefined) {
    await transaction
      .updateTable('manifests')
      .set({ complete, ...renewalOf(known, incoming) })
      .where('id', '=', known.id)
      .execute();
    return { former: known.ownership, missing };
  }
  await transaction
    .insertInto('manifest_bytes')
    .values({ digest, bytes })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .execute();
  const row = { ...rowOf(incoming), repository: repository.id, complete } as const;
  const { id } = await transaction
    .insertInto('manifests')
    .values(row)
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertReferences(transaction, id, parsed.references);
  await addContent(transaction, repository.project, { digest, size: bytes.length, ownership });
  await completeReferrersTo(transaction, repository.id, digest);
  return { former: undefined, missing };
}

/** Takes it out of the repository; the bytes go with the last repository that has it. Its tags are gone already. */
export async function deleteManifest(
  transaction: WriteTransaction,
  repository: Repository,
  digest: Digest,
): Promise<void> {
  await transaction
    .deleteFrom('manifests')
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .execute();
  await forgetBytes(transaction, [digest]);
  await dropContents(transaction, repository.project, [digest]);
  await uncompleteReferrersTo(transaction, repository.id, { digest, as: 'manifest' });
}

/** Of those manifests that the last repository has lost; no more than one statement may name. */
export async function forgetBytes(
  transaction: WriteTransaction,
  digests: readonly Digest[],
): Promise<void> {
  await transaction
    .deleteFrom('manifest_bytes')
    .where('digest', 'in', digests)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('manifests')
            .select('manifests.id')
            .whereRef('manifests.digest', '=', 'manifest_bytes.digest'),
        ),
      ),
    )
    .execute();
}

function rowOf({ digest, bytes, parsed, ownership, actor, at }: IncomingManifest) {
  return {
    digest,
    media_type: parsed.mediaType,
    artifact_type: parsed.artifactType ?? null,
    subject: parsed.subject?.digest ?? null,
    ownership,
    size: bytes.length,
    pushed_at: at,
    pushed_by: actor,
    pulled_at: null,
  };
}

/**
 * What upstream calls it changes nothing here. The first push says what it is: whoever pulls it was told so, and the feed,
 * so that it cannot become something else under their hands.
 */
function renewalOf(
  known: Pick<ManifestRow, 'ownership' | 'media_type'>,
  { digest, parsed, ownership, actor, at }: IncomingManifest,
) {
  if (ownership === 'cache') return {};
  if (isOwned(known.ownership) && known.media_type !== parsed.mediaType) {
    const message = `${digest} is here as ${known.media_type}, and cannot be ${parsed.mediaType} too`;
    throw new OciError('MANIFEST_INVALID', { message });
  }
  return {
    media_type: parsed.mediaType,
    artifact_type: parsed.artifactType ?? null,
    ownership: strongerOf(known.ownership, ownership),
    pushed_at: at,
    pushed_by: actor,
  };
}
