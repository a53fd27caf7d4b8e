import type { Queries, WriteTransaction } from '../database/database.ts';
import type { Ownership } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { isOwned } from './ownership.ts';
import { projectNameOf } from './repositories.ts';

export interface Content {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly ownership: Ownership;
}

/**
 * Counts content towards its project, however many of its repositories have it. Cached content counts and is never
 * refused: eviction bounds it, and whoever pulls has its bytes already.
 *
 * @throws OciError DENIED where owned content does not fit into the project's limit
 */
export async function addContent(
  transaction: WriteTransaction,
  project: number,
  { digest, size, ownership }: Content,
): Promise<void> {
  const added = await transaction
    .insertInto('project_contents')
    .values({ project, digest, size })
    .onConflict((conflict) => conflict.columns(['project', 'digest']).doNothing())
    .returning('size')
    .executeTakeFirst();
  if (added === undefined) return;
  // The row is held from here on, so that two pushes at once cannot both have the last bytes.
  const { storage_used, storage_limit } = await transaction
    .updateTable('projects')
    .set((row) => ({ storage_used: row('storage_used', '+', size) }))
    .where('id', '=', project)
    .returning(['storage_used', 'storage_limit'])
    .executeTakeFirstOrThrow();
  if (!isOwned(ownership)) return;
  refuseExcess({ used: storage_used - size, limit: storage_limit }, size);
}

/**
 * The same question before the bytes are moved to where they stay. Changes nothing; the answer may be another a moment
 * later.
 *
 * @throws OciError DENIED
 */
export async function requireRoom(
  queries: Queries,
  repository: string,
  { digest, size, ownership }: Content,
): Promise<void> {
  if (!isOwned(ownership)) return;
  const project = await queries
    .selectFrom('projects')
    .leftJoin('project_contents', (join) =>
      join
        .onRef('project_contents.project', '=', 'projects.id')
        .on('project_contents.digest', '=', digest),
    )
    .select([
      'projects.storage_used as used',
      'projects.storage_limit as limit',
      'project_contents.size as counted',
    ])
    .where('projects.name', '=', projectNameOf(repository))
    .where('projects.deleted_at', 'is', null)
    .executeTakeFirst();
  if (project?.counted === null) refuseExcess(project, size);
}

/** In the words of Harbor (v2.13, src/pkg/quota/errors.go), which its users search for. */
function refuseExcess(
  { used, limit }: { readonly used: number; readonly limit: number },
  size: number,
): void {
  if (limit < 0 || used + size <= limit) return;
  const message =
    `adding ${readable(size)} of storage resource, which when updated to current usage of ${readable(used)} ` +
    `will exceed the configured upper limit of ${readable(limit)}.`;
  throw new OciError('DENIED', { message });
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

function readable(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  return `${(bytes / 1024 ** power).toFixed(1)} ${UNITS[power]}`;
}

/** Stops counting those that the project's last repository has lost; no more than one statement may name. */
export async function dropContents(
  transaction: WriteTransaction,
  project: number,
  digests: readonly Digest[],
): Promise<void> {
  const dropped = await transaction
    .deleteFrom('project_contents')
    .where('project', '=', project)
    .where('digest', 'in', digests)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('blob_links')
            .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
            .select('blob_links.repository')
            .whereRef('blob_links.digest', '=', 'project_contents.digest')
            .where('repositories.project', '=', project),
        ),
      ),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('manifests')
            .innerJoin('repositories', 'repositories.id', 'manifests.repository')
            .select('manifests.id')
            .whereRef('manifests.digest', '=', 'project_contents.digest')
            .where('repositories.project', '=', project),
        ),
      ),
    )
    .returning('size')
    .execute();
  if (dropped.length === 0) return;
  let bytes = 0;
  for (const { size } of dropped) bytes += size;
  await transaction
    .updateTable('projects')
    .set((row) => ({ storage_used: row('storage_used', '-', bytes) }))
    .where('id', '=', project)
    .execute();
}
