import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { isShown } from './artifact-rows.ts';
import { type Visible, visibleProject } from './managed-projects.ts';
import { holdsManifest } from './repositories.ts';
import { discardStaged, removeRepository } from './repository-removal.ts';

/** A repository as people look at it. */
export interface ManagedRepository {
  readonly id: number;
  /** With its project. */
  readonly name: string;
  readonly project: number;
  readonly description: string;
  /** As the list of its artifacts has them. */
  readonly artifactCount: number;
  readonly pullCount: number;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** The repositories that hold a manifest, by their names with the project. */
export interface RepositoryAdministration {
  /**
   * Fields: `id`, `name`, `description`, `pullCount`, `createdAt`, `updatedAt`, and `blob`: those that have the blob of
   * that digest. @throws ManagementError BAD_REQUEST
   */
  list(project: number, query: ListQuery): Promise<Listed<ManagedRepository>>;
  /** Of all projects that a caller may know of; `project` is a field, too. @throws ManagementError BAD_REQUEST */
  listAll(query: ListQuery, visible: Visible): Promise<Listed<ManagedRepository>>;
  /** @throws OciError NAME_UNKNOWN */
  get(name: string): Promise<ManagedRepository>;
  /** @throws OciError NAME_UNKNOWN */
  describe(name: string, description: string, actor: Actor): Promise<void>;
  /** With everything in it. @throws OciError NAME_UNKNOWN, TAG_IMMUTABLE */
  remove(name: string, actor: Actor): Promise<void>;
}

const LISTING = {
  fields: {
    id: ['repositories.id', 'integer'],
    name: ['repositories.name', 'text'],
    project: ['repositories.project', 'integer'],
    description: ['repositories.description', 'text'],
    pullCount: ['repositories.pull_count', 'integer'],
    createdAt: ['repositories.created_at', 'time'],
    updatedAt: ['repositories.updated_at', 'time'],
  },
  order: { column: 'repositories.name', descending: false },
} as const satisfies Listing<Tables, 'repositories'>;

export function createRepositoryAdministration(options: {
  readonly database: Database;
  readonly store: Pick<BlobStore, 'stage'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): RepositoryAdministration {
  const { database, store, now } = options;
  return {
    async list(project, query) {
      const rows = repositoryRows(database.read, blobsIn(query));
      const ofProject = rows.where('repositories.project', '=', project);
      const { items, total } = await listPage(ofProject, query, LISTING);
      return { items: items.map(repositoryOf), total };
    },

    listAll: (query, visible) => listRepositories(database.read, query, visible),

    get: async (name) => repositoryOf(await requireRow(database.read, name)),

    async describe(name, description, actor) {
      await database.write(async (transaction) => {
        const row = await requireRow(transaction, name);
        const at = now();
        await transaction
          .updateTable('repositories')
          .set({ description, updated_at: at })
          .where('id', '=', row.id)
          .execute();
        await tell(transaction, row, { actor, operation: 'update', at });
      });
    },

    async remove(name, actor) {
      const uploads = await database.write(async (transaction) => {
        const row = await requireRow(transaction, name);
        const at = now();
        await tell(transaction, row, { actor, operation: 'delete', at });
        return removeRepository(transaction, row, { actor: actor.name, cause: 'api', at });
      });
      await discardStaged(store, uploads);
    },
  };
}

/** Of all projects that a caller may know of. @throws ManagementError BAD_REQUEST */
export async function listRepositories(
  queries: Queries,
  query: ListQuery,
  visible: Visible,
): Promise<Listed<ManagedRepository>> {
  const all = repositoryRows(queries, blobsIn(query));
  const rows = all.where('repositories.project', 'in', (projects) =>
    projects
      .selectFrom('projects')
      .select('projects.id')
      .where((is) => visibleProject(is, visible)),
  );
  const { items, total } = await listPage(rows, query, LISTING);
  return { items: items.map(repositoryOf), total };
}

/** The digests of `blob`, which is no column: each of them is wanted. @throws ManagementError BAD_REQUEST */
function blobsIn({ filters }: ListQuery): readonly Digest[] {
  return filters
    .filter(({ field }) => field === 'blob')
    .map((filter) => {
      if (filter.kind === 'exact' && isDigest(filter.value)) return filter.value;
      throw new ManagementError('BAD_REQUEST', 'blobs are found by one whole digest');
    });
}

/** Those that have all of the blobs. */
function repositoryRows(queries: Queries, blobs: readonly Digest[] = []) {
  let rows = queries.selectFrom('repositories');
  for (const digest of blobs) {
    rows = rows.where('repositories.id', 'in', (links) =>
      links
        .selectFrom('blob_links')
        .select('blob_links.repository')
        .where('blob_links.digest', '=', digest),
    );
  }
  return rows
    .select(['id', 'name', 'project', 'description', 'pull_count', 'created_at', 'updated_at'])
    .select((row) =>
      row
        .selectFrom('manifests')
        .select((manifest) => manifest.fn.countAll().as('artifacts'))
        .whereRef('manifests.repository', '=', 'repositories.id')
        .where(isShown)
        .as('artifacts'),
    )
    .where(holdsManifest);
}

type RepositoryRow = Awaited<
  ReturnType<ReturnType<typeof repositoryRows>['executeTakeFirstOrThrow']>
>;

async function requireRow(queries: Queries, name: string): Promise<RepositoryRow> {
  const row = await repositoryRows(queries).where('name', '=', name).executeTakeFirst();
  if (row === undefined) throw new OciError('NAME_UNKNOWN', { detail: { name } });
  return row;
}

function repositoryOf(row: RepositoryRow): ManagedRepository {
  return {
    id: row.id,
    name: row.name,
    project: row.project,
    description: row.description,
    artifactCount: Number(row.artifacts ?? 0),
    pullCount: row.pull_count,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

async function tell(
  transaction: WriteTransaction,
  { name, project }: Pick<RepositoryRow, 'name' | 'project'>,
  act: { actor: Actor; operation: 'update' | 'delete'; at: number },
): Promise<void> {
  const about = {
    resourceType: 'repository',
    resource: name,
    project,
    succeeded: true,
    detail: '',
  } as const;
  await writeAudit(transaction, { ...act, ...about });
}
