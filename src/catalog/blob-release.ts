import { setImmediate as turn } from 'node:timers/promises';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import type { AccessTimes } from './access-times.ts';
import { unlinkBlob } from './blob-rows.ts';
import type { Repository } from './repositories.ts';

export interface ReleasePorts {
  readonly database: Database;
  /** Who asked for a blob just now is about to refer to it. */
  readonly accessTimes: Pick<AccessTimes, 'isUnwritten'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface ReleaseOptions {
  /** Milliseconds UTC. */
  readonly before: number;
  /** Aborting ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/** Looked at, and unlinked, at once: nobody waits long behind them. */
const BATCH = 100;

/** Unlinks owned blobs that no manifest of their repository refers to and nobody asked for since `before`. @returns how many */
export async function releaseUnreferenced(
  ports: ReleasePorts,
  options: ReleaseOptions,
): Promise<number> {
  let released = 0;
  let repository = await repositoryAfter(ports.database, 0);
  while (repository !== undefined && options.signal?.aborted !== true) {
    released += await releaseIn(ports, repository, options);
    repository = await repositoryAfter(ports.database, repository.id);
  }
  return released;
}

async function releaseIn(
  ports: ReleasePorts,
  repository: Repository,
  { before, signal }: ReleaseOptions,
): Promise<number> {
  const { database } = ports;
  let released = 0;
  let page = await ownedAfter(database, repository, undefined);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    const idle = await unreferenced(database.read, repository, before)
      .where('blobs.digest', 'in', page)
      .execute();
    const outcomes = await Promise.all(
      idle.map(({ digest }) =>
        database.write((transaction) =>
          releaseOne(transaction, ports, { repository, digest, before }),
        ),
      ),
    );
    released += outcomes.filter((wasReleased) => wasReleased).length;
    if (signal?.aborted === true) return released;
    // The embedded database answers in the same turn of the event loop, so that nobody else would have one.
    await turn();
    page = await ownedAfter(database, repository, last);
  }
  return released;
}

async function releaseOne(
  transaction: WriteTransaction,
  { accessTimes, now }: ReleasePorts,
  blob: { readonly repository: Repository; readonly digest: Digest; readonly before: number },
): Promise<boolean> {
  const { repository, digest, before } = blob;
  // Somebody may have asked for it since, and a push come to refer to it.
  if (accessTimes.isUnwritten(digest)) return false;
  const still = unreferenced(transaction, repository, before).where('blobs.digest', '=', digest);
  if ((await still.executeTakeFirst()) === undefined) return false;
  return unlinkBlob(transaction, repository, { digest, at: now() });
}

/** The next blobs of the repository that are not cached, by digest. */
async function ownedAfter(
  database: Database,
  repository: Repository,
  after: Digest | undefined,
): Promise<readonly Digest[]> {
  let query = database.read
    .selectFrom('blob_links')
    .select('digest')
    .where('repository', '=', repository.id)
    .where('ownership', '!=', 'cache')
    .orderBy('digest')
    .limit(BATCH);
  if (after !== undefined) query = query.where('digest', '>', after);
  return (await query.execute()).map(({ digest }) => digest);
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
