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

/** What was pushed or copied here, or what was pulled through. */
export type ReleasedContent = 'owned' | 'cached';

export interface ReleaseOptions {
  readonly content: ReleasedContent;
  /** Milliseconds UTC. */
  readonly before: number;
  /** Aborting ends it early. */
  readonly signal?: AbortSignal | undefined;
}

interface Place {
  readonly repository: Repository;
  readonly content: ReleasedContent;
}

/** Looked at, and unlinked, at once: nobody waits long behind them. */
const BATCH = 100;

/** Unlinks blobs that no manifest of their repository refers to and nobody asked for since `before`. @returns how many */
export async function releaseUnreferenced(
  ports: ReleasePorts,
  options: ReleaseOptions,
): Promise<number> {
  let released = 0;
  let repository = await repositoryAfter(ports.database, 0);
  while (repository !== undefined && options.signal?.aborted !== true) {
    released += await releaseIn(ports, repository, options);
    await turn();
    repository = await repositoryAfter(ports.database, repository.id);
  }
  return released;
}

async function releaseIn(
  ports: ReleasePorts,
  repository: Repository,
  { content, before, signal }: ReleaseOptions,
): Promise<number> {
  const { database } = ports;
  let released = 0;
  let page = await linkedAfter(database, { repository, content }, undefined);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    const idle = await unreferenced(database.read, { repository, content, before })
      .where('blobs.digest', 'in', page)
      .execute();
    const outcomes = await Promise.all(
      idle.map(({ digest }) =>
        database.write((transaction) =>
          releaseOne(transaction, ports, { repository, content, digest, before }),
        ),
      ),
    );
    released += outcomes.filter((wasReleased) => wasReleased).length;
    if (signal?.aborted === true) return released;
    // The embedded database answers in the same turn of the event loop, so that nobody else would have one.
    await turn();
    page = await linkedAfter(database, { repository, content }, last);
  }
  return released;
}

async function releaseOne(
  transaction: WriteTransaction,
  { accessTimes, now }: ReleasePorts,
  blob: Place & { readonly digest: Digest; readonly before: number },
): Promise<boolean> {
  const { repository, digest } = blob;
  // Somebody may have asked for it since, and a push come to refer to it.
  if (accessTimes.isUnwritten(digest)) return false;
  const still = unreferenced(transaction, blob).where('blobs.digest', '=', digest);
  if ((await still.executeTakeFirst()) === undefined) return false;
  return unlinkBlob(transaction, repository, { digest, at: now() });
}

/** The next blobs of the repository, by digest. */
async function linkedAfter(
  database: Database,
  { repository, content }: Place,
  after: Digest | undefined,
): Promise<readonly Digest[]> {
  let query = database.read
    .selectFrom('blob_links')
    .select('digest')
    .where('repository', '=', repository.id)
    .where('ownership', content === 'cached' ? '=' : '!=', 'cache')
    .orderBy('digest')
    .limit(BATCH);
  if (after !== undefined) query = query.where('digest', '>', after);
  return (await query.execute()).map(({ digest }) => digest);
}

function unreferenced(
  queries: Queries,
  { repository, content, before }: Place & { readonly before: number },
) {
  return queries
    .selectFrom('blob_links')
    .innerJoin('blobs', 'blobs.digest', 'blob_links.digest')
    .select('blobs.digest')
    .where('blob_links.repository', '=', repository.id)
    .where('blob_links.ownership', content === 'cached' ? '=' : '!=', 'cache')
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

/** The next one with blobs: names without one cost nothing to make. */
async function repositoryAfter(database: Database, id: number): Promise<Repository | undefined> {
  return database.read
    .selectFrom('blob_links')
    .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
    .select(['repositories.id', 'repositories.name', 'repositories.project'])
    .where('blob_links.repository', '>', id)
    .orderBy('blob_links.repository')
    .limit(1)
    .executeTakeFirst();
}
