import { setImmediate as turn } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { manifestEvicted } from '../telemetry/channels.ts';
import type { AccessTimes } from './access-times.ts';
import { deleteManifest } from './manifest-rows.ts';
import type { Repository } from './repositories.ts';
import { forgetTags } from './tag-rows.ts';

export interface CachedManifestsOptions {
  readonly database: Database;
  readonly accessTimes: Pick<AccessTimes, 'isPullUnwritten'>;
}

/** What was pulled through, as eviction sees it: never what is owned here. */
export interface CachedManifests {
  /**
   * Takes cached manifests out, with their tags and the history of those, that were neither pulled nor came since that time
   * (milliseconds UTC), and of which upstream was asked no tag since. One that another of its repository refers to stays as long
   * as that does; what it kept goes the next time. Aborting ends it early.
   *
   * @returns how many
   */
  evictIdle(before: number, options?: { readonly signal?: AbortSignal }): Promise<number>;
}

interface IdleManifest {
  readonly id: number;
  readonly digest: Digest;
  readonly usedAt: number;
  readonly repository: Repository;
}

/** Looked at, and taken out, at once: nobody waits long behind them. */
const BATCH = 100;

export function createCachedManifests(options: CachedManifestsOptions): CachedManifests {
  const { database, accessTimes } = options;
  return {
    async evictIdle(before, { signal } = {}) {
      let evicted = 0;
      let page = await idleAfter(database.read, before, undefined);
      for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
        if (signal?.aborted === true) break;
        const unused = await unusedOf(database.read, page, before);
        const outcomes = await Promise.all(
          unused.map((manifest) =>
            database.write(async (transaction) => {
              // Somebody may have pulled it since, or an index that refers to it come.
              const { digest, repository } = manifest;
              if (accessTimes.isPullUnwritten(repository.name, digest)) return false;
              const [still] = await unusedOf(transaction, [manifest], before);
              if (still === undefined) return false;
              await evictOne(transaction, manifest);
              return true;
            }),
          ),
        );
        const gone = unused.filter((_, index) => outcomes[index] === true);
        for (const manifest of gone) publish(manifest);
        evicted += gone.length;
        // The embedded database answers in the same turn of the event loop, so that nobody else would have one.
        await turn();
        page = await idleAfter(database.read, before, last);
      }
      return evicted;
    },
  };
}

/** The next cached manifests that were not pulled since, those first for the longest time. */
async function idleAfter(
  queries: Queries,
  before: number,
  after: IdleManifest | undefined,
): Promise<readonly IdleManifest[]> {
  let query = idleManifests(queries, before)
    .innerJoin('repositories', 'repositories.id', 'manifests.repository')
    .select(['manifests.id', 'manifests.digest', 'manifests.repository'])
    .select(['repositories.name', 'repositories.project'])
    .select((row) => row.fn.coalesce('pulled_at', 'pushed_at').as('usedAt'))
    .orderBy('usedAt')
    .orderBy('manifests.id')
    .limit(BATCH);
  if (after !== undefined) {
    const { usedAt, id } = after;
    query = query.where((is) => {
      const used = is.fn.coalesce('pulled_at', 'pushed_at');
      // As two conditions: only the first of them finds the place in the index.
      return is.and([
        is(used, '>=', usedAt),
        is.or([is(used, '>', usedAt), is('manifests.id', '>', id)]),
      ]);
    });
  }
  const rows = await query.execute();
  return rows.map(({ id, digest, usedAt, repository, name, project }) => ({
    id,
    digest,
    usedAt,
    repository: { id: repository, name, project },
  }));
}

/** Those of them that are still there, idle, and needed by no tag and no index. */
async function unusedOf(
  queries: Queries,
  manifests: readonly IdleManifest[],
  before: number,
): Promise<readonly IdleManifest[]> {
  if (manifests.length === 0) return [];
  const ids = manifests.map(({ id }) => id);
  const found = await idleManifests(queries, before)
    .select('manifests.id')
    .where('manifests.id', 'in', ids)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('tags')
            .select('tags.id')
            .whereRef('tags.repository', '=', 'manifests.repository')
            .whereRef('tags.digest', '=', 'manifests.digest')
            // A client that has the manifest asks by HEAD whether its tag moved, and never pulls it again.
            .where((tag) =>
              tag.or([tag('tags.ownership', '!=', 'cache'), tag('tags.checked_at', '>', before)]),
            ),
        ),
      ),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('manifest_references')
            .innerJoin('manifests as parents', 'parents.id', 'manifest_references.manifest')
            .select('parents.id')
            .whereRef('manifest_references.digest', '=', 'manifests.digest')
            .whereRef('parents.repository', '=', 'manifests.repository')
            .where('manifest_references.kind', '=', 'manifest'),
        ),
      ),
    )
    .execute();
  const unused = new Set(found.map(({ id }) => id));
  return manifests.filter(({ id }) => unused.has(id));
}

/** As the index `manifests_idle` says it, word for word: with a bound value no plan that is kept could use it. */
function idleManifests(queries: Queries, before: number) {
  return queries
    .selectFrom('manifests')
    .where('manifests.ownership', '=', sql.lit('cache'))
    .where((is) => is(is.fn.coalesce('pulled_at', 'pushed_at'), '<=', before));
}

async function evictOne(
  transaction: WriteTransaction,
  { digest, repository }: IdleManifest,
): Promise<void> {
  await forgetTags(transaction, repository, digest);
  await deleteManifest(transaction, repository, digest);
}

function publish({ digest, repository }: IdleManifest): void {
  if (!manifestEvicted.hasSubscribers) return;
  manifestEvicted.publish({ repository: repository.name, digest });
}
