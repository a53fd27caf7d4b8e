import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { unlinkBlob } from './blob-rows.ts';
import type { Repository } from './repositories.ts';

/** Milliseconds UTC. */
interface Times {
  readonly before: number;
  readonly now: () => number;
}

/** Unlinked at once: they share a commit, and nobody waits long behind them. */
const BATCH = 100;

/** Unlinks owned blobs that no manifest of their repository refers to and nobody asked for since `before`. @returns how many */
export async function releaseUnreferenced(database: Database, times: Times): Promise<number> {
  let released = 0;
  let repository = await repositoryAfter(database, 0);
  while (repository !== undefined) {
    released += await releaseIn(database, repository, times);
    repository = await repositoryAfter(database, repository.id);
  }
  return released;
}

async function releaseIn(
  database: Database,
  repository: Repository,
  { before, now }: Times,
): Promise<number> {
  const idle = await unreferenced(database.read, repository, before).execute();
  let released = 0;
  for (let start = 0; start < idle.length; start += BATCH) {
    const outcomes = await Promise.all(
      idle
        .slice(start, start + BATCH)
        .map(({ digest }) =>
          database.write((transaction) =>
            releaseOne(transaction, repository, { digest, before, at: now() }),
          ),
        ),
    );
    released += outcomes.filter((wasReleased) => wasReleased).length;
  }
  return released;
}

async function releaseOne(
  transaction: WriteTransaction,
  repository: Repository,
  { digest, before, at }: { digest: Digest; before: number; at: number },
): Promise<boolean> {
  // A push may have come to refer to it since.
  const still = unreferenced(transaction, repository, before).where('blobs.digest', '=', digest);
  if ((await still.executeTakeFirst()) === undefined) return false;
  return unlinkBlob(transaction, repository, { digest, at });
}

function unreferenced(queries: Queries, repository: Repository, before: number) {
  return queries
    .selectFrom('blob_links')
    .innerJoin('blobs', 'blobs.digest', 'blob_links.digest')
    .select('blobs.digest')
    .where('blob_links.repository', '=', repository.id)
    .where('blob_links.ownership', '!=', 'cache')
    .where('blob_links.linked_at', '<=', before)
    .where('blobs.accessed_at', '<=', before)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('manifest_references')
            .innerJoin('manifests', 'manifests.id', 'manifest_references.manifest')
            .select('manifests.id')
            .whereRef('manifest_references.digest', '=', 'blob_links.digest')
            .where('manifests.repository', '=', repository.id),
        ),
      ),
    );
}

async function repositoryAfter(database: Database, id: number): Promise<Repository | undefined> {
  return database.read
    .selectFrom('repositories')
    .select(['id', 'name', 'project'])
    .where('id', '>', id)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst();
}
