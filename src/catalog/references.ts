import type { Queries, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { type ManifestReference, parseManifest } from '../oci/manifest.ts';
import { batchesOf } from './batches.ts';

/** Digests that the repository lacks, each once; what a push may leave out counts as there. */
export async function missingReferences(
  queries: Queries,
  repository: number,
  references: readonly ManifestReference[],
): Promise<readonly Digest[]> {
  const needed = references.filter(({ optional }) => !optional);
  const manifests = digestsOf(needed.filter(({ kind }) => kind === 'manifest'));
  const blobs = digestsOf(needed.filter(({ kind }) => kind !== 'manifest'));
  const lacking: Digest[] = [];
  for (const [table, digests] of [
    ['blob_links', blobs],
    ['manifests', manifests],
  ] as const) {
    for (const batch of batchesOf(digests)) {
      const found = await queries
        .selectFrom(table)
        .select('digest')
        .where('repository', '=', repository)
        .where('digest', 'in', batch)
        .execute();
      const here = new Set(found.map(({ digest }) => digest));
      lacking.push(...batch.filter((digest) => !here.has(digest)));
    }
  }
  return [...new Set(lacking)];
}

/** The edges of a new manifest, in the order of its JSON. */
export async function insertReferences(
  transaction: WriteTransaction,
  manifest: number,
  references: readonly ManifestReference[],
): Promise<void> {
  const rows = references.map(({ kind, digest, mediaType, size }, position) => ({
    manifest,
    position,
    kind,
    digest,
    media_type: mediaType,
    size,
  }));
  for (const batch of batchesOf(rows)) {
    await transaction.insertInto('manifest_references').values(batch).execute();
  }
}

/** The repository has the content now: manifests that lacked nothing else are complete. */
export async function completeReferrersTo(
  transaction: WriteTransaction,
  repository: number,
  digest: Digest,
): Promise<void> {
  const waiting = await manifestsNaming(transaction, { repository, digest, complete: 0 });
  for (const { id, references } of waiting) {
    const missing = await missingReferences(transaction, repository, references);
    if (missing.length > 0) continue;
    await transaction.updateTable('manifests').set({ complete: 1 }).where('id', '=', id).execute();
  }
}

/** The repository has the content no more, as a manifest or as a blob: manifests that need it as that lack it now. */
export async function uncompleteReferrersTo(
  transaction: WriteTransaction,
  repository: number,
  { digest, as }: { readonly digest: Digest; readonly as: 'manifest' | 'blob' },
): Promise<void> {
  const referring = await manifestsNaming(transaction, { repository, digest, complete: 1 });
  for (const { id, references } of referring) {
    const isNeeded = references.some(
      (reference) =>
        reference.digest === digest &&
        !reference.optional &&
        (reference.kind === 'manifest') === (as === 'manifest'),
    );
    if (!isNeeded) continue;
    await transaction.updateTable('manifests').set({ complete: 0 }).where('id', '=', id).execute();
  }
}

/** With what they name read again from their bytes: the rows do not say what is optional. */
async function manifestsNaming(
  transaction: WriteTransaction,
  {
    repository,
    digest,
    complete,
  }: { readonly repository: number; readonly digest: Digest; readonly complete: 0 | 1 },
): Promise<readonly { readonly id: number; readonly references: readonly ManifestReference[] }[]> {
  const rows = await transaction
    .selectFrom('manifests')
    .innerJoin('manifest_bytes', 'manifest_bytes.digest', 'manifests.digest')
    .select(['manifests.id', 'manifests.media_type', 'manifest_bytes.bytes'])
    .where('manifests.repository', '=', repository)
    .where('manifests.complete', '=', complete)
    .where('manifests.id', 'in', (query) =>
      query
        .selectFrom('manifest_references')
        .select('manifest_references.manifest')
        .where('manifest_references.digest', '=', digest),
    )
    .execute();
  return rows.map(({ id, media_type, bytes }) => {
    const { references } = parseManifest(bytes, media_type);
    return { id, references };
  });
}

function digestsOf(references: readonly ManifestReference[]): readonly Digest[] {
  return [...new Set(references.map(({ digest }) => digest))];
}
