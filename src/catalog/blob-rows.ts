import type { Queries, WriteTransaction } from '../database/database.ts';
import type { BlobState, Ownership } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { strongerOf } from './ownership.ts';
import { addContent, dropContents } from './project-contents.ts';
import { completeReferrersTo, uncompleteReferrersTo } from './references.ts';
import type { Repository } from './repositories.ts';

export interface NewLink {
  readonly digest: Digest;
  readonly ownership: Ownership;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** Puts a blob that has a row into the repository, as if read just then, and takes back its condemnation. @returns whether it has a row @throws OciError DENIED over the project's limit */
export async function linkBlob(
  transaction: WriteTransaction,
  repository: Repository,
  { digest, ownership, at }: NewLink,
): Promise<boolean> {
  const blob = await reprieve(transaction, digest, { accessed_at: at });
  if (blob === undefined) return false;
  const known = await transaction
    .selectFrom('blob_links')
    .select('ownership')
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (known !== undefined) {
    await transaction
      .updateTable('blob_links')
      .set({ ownership: strongerOf(known.ownership, ownership), linked_at: at })
      .where('repository', '=', repository.id)
      .where('digest', '=', digest)
      .execute();
    return true;
  }
  await transaction
    .insertInto('blob_links')
    .values({ repository: repository.id, digest, ownership, linked_at: at })
    .execute();
  await addContent(transaction, repository.project, { digest, size: blob.size, ownership });
  await completeReferrersTo(transaction, repository.id, digest);
  return true;
}

/** Takes it out of the repository; with its last link the blob is condemned. @returns whether it was there */
export async function unlinkBlob(
  transaction: WriteTransaction,
  repository: Repository,
  { digest, at }: { readonly digest: Digest; readonly at: number },
): Promise<boolean> {
  const { numDeletedRows } = await transaction
    .deleteFrom('blob_links')
    .where('repository', '=', repository.id)
    .where('digest', '=', digest)
    .executeTakeFirst();
  if (numDeletedRows === 0n) return false;
  await dropContents(transaction, repository.project, [digest]);
  await uncompleteReferrersTo(transaction, repository.id, { digest, as: 'blob' });
  await condemnUnlinked(transaction, [digest], at);
  return true;
}

/** Those that the last repository has lost and that are not condemned already; no more than one statement may name. */
export async function condemnUnlinked(
  transaction: WriteTransaction,
  digests: readonly Digest[],
  at: number,
): Promise<void> {
  await transaction
    .updateTable('blobs')
    .set({ state: 'condemned', condemned_at: at })
    .where('digest', 'in', digests)
    .where('state', '=', 'present')
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('blob_links')
            .select('blob_links.repository')
            .whereRef('blob_links.digest', '=', 'blobs.digest'),
        ),
      ),
    )
    .execute();
}

/** Somebody wants it: what was condemned is present again. @returns undefined where there is no such blob (any more) */
export async function reprieve(
  transaction: WriteTransaction,
  digest: Digest,
  use: { readonly accessed_at?: number } = {},
): Promise<{ readonly size: number } | undefined> {
  return transaction
    .updateTable('blobs')
    .set({ state: 'present', condemned_at: null, ...use })
    .where('digest', '=', digest)
    .returning('size')
    .executeTakeFirst();
}

/** Bytes are about to appear in the store: a row first, so that they are found if nobody comes to want them. */
export async function announceBlob(
  transaction: WriteTransaction,
  { digest, size, at }: { readonly digest: Digest; readonly size: number; readonly at: number },
): Promise<void> {
  await transaction
    .insertInto('blobs')
    .values({ digest, size, state: 'condemned', condemned_at: at, accessed_at: at })
    .onConflict((conflict) =>
      conflict
        .column('digest')
        .doUpdateSet({ condemned_at: at })
        .where('blobs.state', '=', 'condemned'),
    )
    .execute();
}

export async function linkedBlob(
  queries: Queries,
  repository: string,
  digest: Digest,
): Promise<{ readonly size: number; readonly state: BlobState } | undefined> {
  return queries
    .selectFrom('repositories')
    .innerJoin('blob_links', 'blob_links.repository', 'repositories.id')
    .innerJoin('blobs', 'blobs.digest', 'blob_links.digest')
    .select(['blobs.size', 'blobs.state'])
    .where('repositories.name', '=', repository)
    .where('blob_links.digest', '=', digest)
    .executeTakeFirst();
}

/** The name of some repository of these projects that has the blob. */
export async function findLinked(
  queries: Queries,
  projects: readonly string[],
  digest: Digest,
): Promise<string | undefined> {
  if (projects.length === 0) return undefined;
  const found = await queries
    .selectFrom('blob_links')
    .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
    .innerJoin('projects', 'projects.id', 'repositories.project')
    .select('repositories.name')
    .where('blob_links.digest', '=', digest)
    .where('projects.name', 'in', projects)
    .where('projects.deleted_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return found?.name;
}

export async function describedSize(
  queries: Queries,
  repository: string,
  digest: Digest,
): Promise<number | undefined> {
  const found = await queries
    .selectFrom('manifest_references')
    .innerJoin('manifests', 'manifests.id', 'manifest_references.manifest')
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select('manifest_references.size')
    .where('manifest_references.digest', '=', digest)
    .where('repositories.name', '=', repository)
    .limit(1)
    .executeTakeFirst();
  return found?.size;
}

export async function heldByProject(
  queries: Queries,
  project: number,
  digest: Digest,
): Promise<boolean> {
  const found = await queries
    .selectFrom('project_contents')
    .select('digest')
    .where('project', '=', project)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return found !== undefined;
}
