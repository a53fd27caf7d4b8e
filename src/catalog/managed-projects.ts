import type { ExpressionBuilder } from 'kysely';
import type { Role } from '../../policies/access.ts';
import type { Queries } from '../database/database.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { ProjectMetadata } from './project-metadata.ts';
import { holdsManifest } from './repositories.ts';

/** A project as people manage it. */
export interface ManagedProject {
  readonly id: number;
  readonly name: string;
  readonly kind: 'hosted' | 'proxy';
  readonly isPublic: boolean;
  /** Who created it. */
  readonly owner: string;
  /** Whether the configuration file declares it, and so nobody changes it here. */
  readonly declared: boolean;
  /** The first endpoint that a proxy project asks. */
  readonly endpoint: number | undefined;
  /** Its visibility included, as `public`. */
  readonly metadata: ProjectMetadata;
  /** Those that hold a manifest. */
  readonly repositoryCount: number;
  readonly storage: ProjectStorage;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ProjectStorage {
  /** Bytes, each digest once. */
  readonly used: number;
  /** Bytes; -1: any number. */
  readonly limit: number;
}

export interface ProjectSummary {
  readonly repositoryCount: number;
  /** Users and groups. */
  readonly members: Readonly<Record<Role, number>>;
  readonly storage: ProjectStorage;
  readonly endpoint: number | undefined;
}

/** Projects that a caller may know of: all of them, or those that everybody may see and those of these ids. */
export type Visible = 'all' | { readonly projects: readonly number[] };

const LISTING = {
  fields: {
    id: ['projects.id', 'integer'],
    name: ['projects.name', 'text'],
    owner: ['projects.owner', 'text'],
    isPublic: ['projects.public', 'flag'],
    kind: ['projects.kind', 'text'],
    createdAt: ['projects.created_at', 'time'],
    updatedAt: ['projects.updated_at', 'time'],
  },
  order: { column: 'projects.id', descending: false },
} as const satisfies Listing<Tables, 'projects'>;

/** Fields: `id`, `name`, `owner`, `isPublic`, `kind`, `createdAt`, `updatedAt`. @throws ManagementError BAD_REQUEST */
export async function listProjects(
  queries: Queries,
  query: ListQuery,
  visible: Visible,
): Promise<Listed<ManagedProject>> {
  const rows = projectRows(queries).where((is) => visibleProject(is, visible));
  const { items, total } = await listPage(rows, query, LISTING);
  const metadata = await metadataOf(
    queries,
    items.map(({ id }) => id),
  );
  return { items: items.map((row) => managed(row, metadata.get(row.id) ?? {})), total };
}

/** By id or by name. @throws ManagementError NOT_FOUND */
export async function findProject(
  queries: Queries,
  project: number | string,
): Promise<ManagedProject> {
  const row = await projectRows(queries)
    .where(typeof project === 'number' ? 'projects.id' : 'projects.name', '=', project)
    .executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `project ${project} not found`);
  const metadata = await metadataOf(queries, [row.id]);
  return managed(row, metadata.get(row.id) ?? {});
}

/** @throws ManagementError NOT_FOUND */
export async function summaryOf(queries: Queries, project: number): Promise<ProjectSummary> {
  const { repositoryCount, storage, endpoint } = await findProject(queries, project);
  const counts = await queries
    .selectFrom('project_members')
    .select((row) => ['role', row.fn.countAll().as('members')])
    .where('project', '=', project)
    .groupBy('role')
    .execute();
  const members: Record<Role, number> = { ...NOBODY };
  for (const { role, members: count } of counts) members[role] = Number(count);
  return { repositoryCount, members, storage, endpoint };
}

const NOBODY = { projectAdmin: 0, maintainer: 0, developer: 0, guest: 0, limitedGuest: 0 };

/** For a `where`, of rows that have `projects` in them. */
export function visibleProject(is: ExpressionBuilder<Tables, 'projects'>, visible: Visible) {
  if (visible === 'all') return is('projects.id', '>', 0);
  return is.or([
    is('projects.public', '=', 1),
    // PostgreSQL knows no empty list, and no project is 0.
    is('projects.id', 'in', [0, ...visible.projects]),
  ]);
}

function projectRows(queries: Queries) {
  return queries
    .selectFrom('projects')
    .select([
      'projects.id',
      'projects.name',
      'projects.kind',
      'projects.public',
      'projects.owner',
      'projects.declared',
      'projects.storage_used',
      'projects.storage_limit',
      'projects.created_at',
      'projects.updated_at',
    ])
    .select((row) => [
      row
        .selectFrom('project_endpoints')
        .select('project_endpoints.endpoint')
        .whereRef('project_endpoints.project', '=', 'projects.id')
        .orderBy('project_endpoints.position')
        .limit(1)
        .as('endpoint'),
      row
        .selectFrom('repositories')
        .select((repository) => repository.fn.countAll().as('count'))
        .whereRef('repositories.project', '=', 'projects.id')
        .where(holdsManifest)
        .as('repositories'),
    ])
    .where('projects.deleted_at', 'is', null);
}

type ProjectRow = Awaited<ReturnType<ReturnType<typeof projectRows>['executeTakeFirstOrThrow']>>;

function managed(row: ProjectRow, metadata: ProjectMetadata): ManagedProject {
  const isPublic = row.public === 1;
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    isPublic,
    owner: row.owner,
    declared: row.declared === 1,
    endpoint: row.endpoint ?? undefined,
    metadata: { ...metadata, public: String(isPublic) },
    repositoryCount: Number(row.repositories ?? 0),
    storage: { used: row.storage_used, limit: row.storage_limit },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

async function metadataOf(
  queries: Queries,
  projects: readonly number[],
): Promise<ReadonlyMap<number, ProjectMetadata>> {
  const rows = await queries
    .selectFrom('project_metadata')
    .selectAll()
    .where('project', 'in', [0, ...projects])
    .orderBy('name')
    .execute();
  const found = new Map<number, Record<string, string>>();
  for (const { project, name, value } of rows) {
    found.set(project, { ...found.get(project), [name]: value });
  }
  return found;
}
