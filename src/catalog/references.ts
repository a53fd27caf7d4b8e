import type { ExpressionBuilder } from 'kysely';
import { batchesOf } from '../database/batches.ts';
import type { Queries, WriteTransaction } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import type { ManifestReference } from '../oci/manifest.ts';

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
  const rows = references.map(({ kind, digest, mediaType, size, optional }, position) => ({
    manifest,
    position,
    kind,
    digest,
    media_type: mediaType,
    size,
    optional: optional ? (1 as const) : (0 as const),
  }));
  for (const batch of batchesOf(rows)) {
    await transaction.insertInto('manifest_references').values(batch).execute();
  }
}

/**
 * The repository has the content now: manifests that lacked nothing else are complete. Here and below the rows decide, in
 * one statement: any number of manifests of megabytes may name the same layer.
 */
export async function completeReferrersTo(
  transaction: WriteTransaction,
  repository: number,
  digest: Digest,
): Promise<void> {
  await transaction
    .updateTable('manifests')
    .set({ complete: 1 })
    .where('repository', '=', repository)
    .where('complete', '=', 0)
    .where('id', 'in', (query) =>
      query
        .selectFrom('manifest_references')
        .select('manifest_references.manifest')
        .where('manifest_references.digest', '=', digest),
    )
    .where((is) => is.not(is.exists(lackingReferences(is, repository))))
    .execute();
}

/** The repository has the content no more, as a manifest or as a blob: manifests that need it as that lack it now. */
export async function uncompleteReferrersTo(
  transaction: WriteTransaction,
  repository: number,
  { digest, as }: { readonly digest: Digest; readonly as: 'manifest' | 'blob' },
): Promise<void> {
  await transaction
    .updateTable('manifests')
    .set({ complete: 0 })
    .where('repository', '=', repository)
    .where('complete', '=', 1)
    .where('id', 'in', (query) =>
      query
        .selectFrom('manifest_references')
        .select('manifest_references.manifest')
        .where('manifest_references.digest', '=', digest)
        .where('manifest_references.optional', '=', 0)
        .where('manifest_references.kind', as === 'manifest' ? '=' : '!=', 'manifest'),
    )
    .execute();
}

/** What the manifest needs and the repository lacks. */
function lackingReferences(is: ExpressionBuilder<Tables, 'manifests'>, repository: number) {
  return is
    .selectFrom('manifest_references')
    .select('manifest_references.position')
    .whereRef('manifest_references.manifest', '=', 'manifests.id')
    .where('manifest_references.optional', '=', 0)
    .where((reference) => {
      const manifest = reference
        .selectFrom('manifests as children')
        .select('children.id')
        .where('children.repository', '=', repository)
        .whereRef('children.digest', '=', 'manifest_references.digest');
      const blob = reference
        .selectFrom('blob_links')
        .select('blob_links.repository')
        .where('blob_links.repository', '=', repository)
        .whereRef('blob_links.digest', '=', 'manifest_references.digest');
      const isManifest = reference('manifest_references.kind', '=', 'manifest');
      return reference.or([
        reference.and([isManifest, reference.not(reference.exists(manifest))]),
        reference.and([reference.not(isManifest), reference.not(reference.exists(blob))]),
      ]);
    });
}

function digestsOf(references: readonly ManifestReference[]): readonly Digest[] {
  return [...new Set(references.map(({ digest }) => digest))];
}
