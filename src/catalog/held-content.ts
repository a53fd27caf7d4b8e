/** What may not be taken away, because something else of its repository is nothing without it. */
import type { Queries } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { hasImmutableRules, refuseImmutable } from './immutable-rules.ts';
import type { Repository } from './repositories.ts';

/**
 * Climbs from a blob or a manifest to everything that refers to it.
 *
 * @throws OciError TAG_IMMUTABLE where an immutable tag is reached: what it points to stays whole, and not only named
 */
export async function refuseHeldByTag(
  queries: Queries,
  repository: Repository,
  digest: Digest,
): Promise<void> {
  if (!(await hasImmutableRules(queries, repository.project))) return;
  const seen = new Set<Digest>();
  const left = [digest];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    for (const { digest: parent } of await parents(queries, repository, next).execute()) {
      if (seen.has(parent)) continue;
      seen.add(parent);
      await refuseImmutable(queries, repository, await tagsOn(queries, repository, parent));
      left.push(parent);
    }
  }
}

/** Whether an index of the repository lists the manifest. */
export async function hasParent(
  queries: Queries,
  repository: Pick<Repository, 'id'>,
  digest: Digest,
): Promise<boolean> {
  const parent = await parents(queries, repository, digest)
    .where('manifest_references.kind', '=', 'manifest')
    .limit(1)
    .executeTakeFirst();
  return parent !== undefined;
}

/** In byte order. */
export async function tagsOn(
  queries: Queries,
  { id }: Pick<Repository, 'id'>,
  digest: Digest,
): Promise<readonly string[]> {
  const rows = await queries
    .selectFrom('tags')
    .select('name')
    .where('repository', '=', id)
    .where('digest', '=', digest)
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}

function parents(queries: Queries, repository: Pick<Repository, 'id'>, digest: Digest) {
  return queries
    .selectFrom('manifest_references')
    .innerJoin('manifests', 'manifests.id', 'manifest_references.manifest')
    .select('manifests.digest')
    .distinct()
    .where('manifest_references.digest', '=', digest)
    .where('manifests.repository', '=', repository.id);
}
