import type { Selectable } from 'kysely';
import type { Queries, WriteTransaction } from '../database/database.ts';
import type { Flag } from '../database/flag.ts';
import type { EndpointRow, ProjectRow } from '../database/tables.ts';
import {
  DeclarationConflict,
  type EndpointDeclaration,
  type ProjectDeclaration,
} from './declarations.ts';

/** Who writes rows, and when. */
export interface Writing {
  readonly transaction: WriteTransaction;
  readonly now: number;
  /** Whether the configuration file says so, which makes it read-only in the API. */
  readonly declared: boolean;
}

/** Of projects that nobody created by the API. */
const NOBODY = 'admin';

/** In the order in which they were created. */
export async function readProjects(queries: Queries) {
  const rows = await queries
    .selectFrom('projects')
    .selectAll()
    .where('deleted_at', 'is', null)
    .orderBy('id')
    .execute();
  const uses = await queries
    .selectFrom('project_endpoints')
    .innerJoin('endpoints', 'endpoints.id', 'project_endpoints.endpoint')
    .select(['project_endpoints.project', 'endpoints.name'])
    .orderBy('project_endpoints.position')
    .execute();
  return rows.map((row) => ({
    ...projectOf(row),
    endpoints: uses.filter((use) => use.project === row.id).map((use) => use.name),
  }));
}

function projectOf(row: Selectable<ProjectRow>) {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    isPublic: row.public === 1,
    references: row.reference_mode,
    upstreamHost: row.upstream_host ?? undefined,
    isDefault: row.is_default === 1,
    declared: row.declared === 1,
    settings: parsed(row.settings),
    createdAt: row.created_at,
  };
}

/** Without this node itself, which is endpoint 0. */
export async function readEndpoints(queries: Queries) {
  const rows = await queries
    .selectFrom('endpoints')
    .selectAll()
    .where('id', '>', 0)
    .orderBy('id')
    .execute();
  return rows.map(({ id, name, adapter, url, declared, settings, credential, ca }) => ({
    id,
    name,
    adapter,
    url,
    declared: declared === 1,
    settings: parsed(settings),
    credential: credential ?? undefined,
    ca: ca ?? undefined,
  }));
}

/** @returns its id */
export async function insertProject(
  writing: Writing,
  project: ProjectDeclaration,
  owner = NOBODY,
): Promise<number> {
  const { id } = await writing.transaction
    .insertInto('projects')
    .values({
      ...columnsOf(writing, project),
      name: project.name,
      kind: project.kind,
      upstream_host: project.upstreamHost ?? null,
      owner,
      created_at: writing.now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await insertUses(writing, id, project);
  return id;
}

/** Kind and upstream stay. */
export async function updateProject(
  writing: Writing,
  id: number,
  project: ProjectDeclaration,
): Promise<void> {
  const { transaction } = writing;
  await transaction
    .updateTable('projects')
    .set(columnsOf(writing, project))
    .where('id', '=', id)
    .execute();
  await transaction.deleteFrom('project_endpoints').where('project', '=', id).execute();
  await insertUses(writing, id, project);
}

export async function insertEndpoint(
  writing: Writing,
  endpoint: EndpointDeclaration,
): Promise<void> {
  await writing.transaction
    .insertInto('endpoints')
    .values({
      ...endpointColumnsOf(writing, endpoint),
      name: endpoint.name,
      created_at: writing.now,
    })
    .execute();
}

export async function updateEndpoint(
  writing: Writing,
  endpoint: EndpointDeclaration,
): Promise<void> {
  await writing.transaction
    .updateTable('endpoints')
    .set(endpointColumnsOf(writing, endpoint))
    .where('name', '=', endpoint.name)
    .execute();
}

/** The configuration file has them no more; they stay, and are the API's from now on. */
export async function unmarkOthers(
  { transaction, now }: Writing,
  table: 'projects' | 'endpoints',
  declared: readonly string[],
): Promise<void> {
  await transaction
    .updateTable(table)
    .set({ declared: 0, updated_at: now })
    .where('declared', '=', 1)
    // PostgreSQL knows no empty list, and nothing is called ''.
    .where('name', 'not in', ['', ...declared])
    .execute();
}

async function insertUses(
  { transaction }: Writing,
  project: number,
  { name, endpoints }: ProjectDeclaration,
): Promise<void> {
  for (const [position, endpoint] of endpoints.entries()) {
    const found = await transaction
      .selectFrom('endpoints')
      .select('id')
      .where('name', '=', endpoint)
      .executeTakeFirst();
    if (found === undefined) {
      throw new DeclarationConflict(
        `project ${name} names endpoint ${endpoint}, but there is none`,
      );
    }
    await transaction
      .insertInto('project_endpoints')
      .values({ project, position, endpoint: found.id })
      .execute();
  }
}

function columnsOf({ now, declared }: Writing, project: ProjectDeclaration) {
  return {
    public: flag(project.isPublic),
    reference_mode: project.references,
    is_default: flag(project.isDefault),
    declared: flag(declared),
    settings: JSON.stringify(project.settings ?? {}),
    updated_at: now,
  } satisfies Partial<ProjectRow>;
}

function endpointColumnsOf(
  { now, declared }: Writing,
  { adapter, url, settings }: EndpointDeclaration,
) {
  return {
    adapter,
    url,
    settings: JSON.stringify(settings ?? {}),
    declared: flag(declared),
    // What the API was told before: from now on the file has it.
    credential: null,
    ca: null,
    updated_at: now,
  } satisfies Partial<EndpointRow>;
}

function flag(value: boolean): Flag {
  return value ? 1 : 0;
}

function parsed(json: string): unknown {
  const value: unknown = JSON.parse(json);
  return value;
}
