/** What making, changing and removing a project by the API does to rows. */
import { isDeepStrictEqual } from 'node:util';
import { exposesPrivate, PullThroughSettings } from '../../policies/pull-through.ts';
import type { Queries, WriteTransaction } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';
import { isNameComponent } from '../oci/reference.ts';
import { DeclarationConflict, type ProjectDeclaration, refuseConflicts } from './declarations.ts';
import { checkMetadata, type ProjectMetadata, settingsWith } from './project-metadata.ts';
import { insertProject, readProjects } from './project-rows.ts';
import { checkLimit } from './quotas.ts';
import { holdsManifest } from './repositories.ts';
import { removeRepository } from './repository-removal.ts';

export interface NewProject {
  readonly name: string;
  /** Makes it a proxy project, which pulls through from there, and is called by its own name in `?ns=`. */
  readonly endpoint?: number | undefined;
  /** Private where it does not say `public`. */
  readonly metadata: ProjectMetadata;
  /** Bytes; -1: any number. */
  readonly storageLimit?: number | undefined;
}

/** By whom a project is changed. */
export interface Exposing {
  /** Whether they say what everybody may pull with the credential of a registry; nobody may unless it is said here. */
  readonly mayExpose?: boolean | undefined;
}

export interface ProjectRules {
  /** Hosts that no hosted project may be called while names without a project go to an upstream. */
  readonly wellKnownHosts: readonly string[];
  /** Whether the configuration file gives the endpoint of that name a credential. */
  readonly hasConfiguredCredential: (endpoint: string) => boolean;
}

/** Whose change it is, and when (milliseconds UTC). */
export interface Making {
  readonly owner: string;
  readonly at: number;
}

/** @returns its id @throws ManagementError BAD_REQUEST, CONFLICT, FORBIDDEN for what the maker may not expose */
export async function createProject(
  transaction: WriteTransaction,
  project: NewProject & { readonly storageLimit: number },
  { owner, at, ...rules }: ProjectRules & Making & Exposing,
): Promise<number> {
  const { name, metadata, storageLimit } = project;
  if (!isNameComponent(name)) {
    throw new ManagementError('BAD_REQUEST', `${JSON.stringify(name)} is no name of a project`);
  }
  checkMetadata(metadata);
  checkLimit(storageLimit);
  const declaration = await declarationOf(transaction, project);
  await refuseBeside(transaction, declaration, rules.wellKnownHosts);
  await refuseExposure(transaction, { after: declaration }, rules);
  const writing = { transaction, now: at, declared: false };
  const id = await insertProject(writing, declaration, owner);
  await transaction
    .updateTable('projects')
    .set({ storage_limit: storageLimit })
    .where('id', '=', id)
    .execute();
  await keepMetadata(transaction, id, metadata);
  return id;
}

/** @throws ManagementError BAD_REQUEST, NOT_FOUND, FORBIDDEN for what the changer may not expose, too */
export async function changeMetadata(
  transaction: WriteTransaction,
  { project: id, metadata, at }: { project: number; metadata: ProjectMetadata; at: number },
  rules: ProjectRules & Exposing,
): Promise<void> {
  checkMetadata(metadata);
  const project = await requireUndeclared(transaction, id);
  const isProxy = project.kind === 'proxy';
  const changed = {
    ...project,
    isPublic: metadata['public'] === undefined ? project.isPublic : metadata['public'] === 'true',
    settings: isProxy ? settingsWith(project.settings, metadata) : project.settings,
  };
  await refuseExposure(transaction, { before: project, after: changed }, rules);
  await transaction
    .updateTable('projects')
    .set({
      public: changed.isPublic ? 1 : 0,
      settings: JSON.stringify(changed.settings),
      updated_at: at,
    })
    .where('id', '=', id)
    .execute();
  await keepMetadata(transaction, id, metadata);
}

/** What a name that acts means where it is not there. */
const NEUTRAL: Readonly<Record<string, string>> = {
  proxy_cache_filter_pattern: '',
  proxy_cache_local_on_not_found: 'false',
};

/** @throws ManagementError BAD_REQUEST for `public`, FORBIDDEN, NOT_FOUND */
export async function dropMetadata(
  transaction: WriteTransaction,
  { project, name, at }: { project: number; name: string; at: number },
  rules: ProjectRules & Exposing,
): Promise<void> {
  if (name === 'public') {
    throw new ManagementError('BAD_REQUEST', 'a project is public or it is not');
  }
  const neutral = NEUTRAL[name];
  const metadata = neutral === undefined ? {} : { [name]: neutral };
  await changeMetadata(transaction, { project, metadata, at }, rules);
  const gone = await transaction
    .deleteFrom('project_metadata')
    .where('project', '=', project)
    .where('name', '=', name)
    .returning('name')
    .executeTakeFirst();
  if (gone === undefined) throw new ManagementError('NOT_FOUND', `metadata ${name} not found`);
}

/** Why nobody may remove it; undefined where somebody may. */
export async function obstacleTo(queries: Queries, project: number): Promise<string | undefined> {
  const repository = await queries
    .selectFrom('repositories')
    .select('name')
    .where('project', '=', project)
    .where(holdsManifest)
    .limit(1)
    .executeTakeFirst();
  if (repository === undefined) return undefined;
  return `the project contains repositories (${repository.name}), can not be deleted`;
}

/**
 * The row stays, marked as deleted; what hangs on it goes.
 *
 * @returns unfinished uploads, whose staged files are the caller's to discard
 */
export async function removeProject(
  transaction: WriteTransaction,
  project: number,
  { owner: actor, at }: Making,
): Promise<readonly string[]> {
  const repositories = await transaction
    .selectFrom('repositories')
    .select(['id', 'name', 'project'])
    .where('project', '=', project)
    .execute();
  const uploads: string[] = [];
  for (const repository of repositories) {
    const act = { actor, cause: 'api', at } as const;
    uploads.push(...(await removeRepository(transaction, repository, act)));
  }
  for (const table of ['labels', 'immutable_rules', 'project_metadata'] as const) {
    await transaction.deleteFrom(table).where('project', '=', project).execute();
  }
  await transaction.deleteFrom('project_endpoints').where('project', '=', project).execute();
  await transaction
    .updateTable('projects')
    .set({ deleted_at: at, updated_at: at, is_default: 0 })
    .where('id', '=', project)
    .execute();
  return uploads;
}

/** @throws ManagementError NOT_FOUND, FORBIDDEN for one that the configuration file declares */
export async function requireUndeclared(queries: Queries, id: number) {
  const project = (await readProjects(queries)).find((each) => each.id === id);
  if (project === undefined) throw new ManagementError('NOT_FOUND', `project ${id} not found`);
  if (!project.declared) return project;
  const message = `project ${project.name} is declared in the configuration file: change it there`;
  throw new ManagementError('FORBIDDEN', message);
}

async function declarationOf(
  queries: Queries,
  { name, endpoint: id, metadata }: NewProject,
): Promise<ProjectDeclaration> {
  const isPublic = metadata['public'] === 'true';
  const common = { name, isPublic, isDefault: false };
  if (id === undefined) {
    return { ...common, kind: 'hosted', references: 'strict', endpoints: [], settings: {} };
  }
  const endpoint = await queries
    .selectFrom('endpoints')
    .select('name')
    .where('id', '=', id)
    .where('id', '>', 0)
    .executeTakeFirst();
  if (endpoint === undefined)
    throw new ManagementError('BAD_REQUEST', `there is no registry ${id}`);
  return {
    ...common,
    kind: 'proxy',
    references: 'sparse',
    upstreamHost: name,
    endpoints: [endpoint.name],
    settings: settingsWith({}, metadata),
  };
}

/** @throws ManagementError CONFLICT that names both */
async function refuseBeside(
  queries: Queries,
  project: ProjectDeclaration,
  wellKnownHosts: readonly string[],
): Promise<void> {
  const existing = await readProjects(queries);
  if (existing.some(({ name }) => name === project.name)) {
    throw new ManagementError('CONFLICT', `The project named ${project.name} already exists`);
  }
  try {
    refuseConflicts(existing, [project], wellKnownHosts);
  } catch (error) {
    if (!(error instanceof DeclarationConflict)) throw error;
    throw new ManagementError('CONFLICT', error.message, { cause: error });
  }
}

interface ExposureChange {
  /** Of a project that was there. */
  readonly before?: ProjectDeclaration;
  readonly after: ProjectDeclaration;
}

/**
 * @throws ManagementError BAD_REQUEST where everybody could pull what a credential may see, FORBIDDEN where they could pull
 *   something else of it than before, and that is not the changer's to say
 */
async function refuseExposure(
  queries: Queries,
  { before, after }: ExposureChange,
  { hasConfiguredCredential, mayExpose = false }: Exposed,
): Promise<void> {
  const { name, kind, isPublic, settings, endpoints } = after;
  if (kind === 'hosted' || !isPublic) return;
  const kept = await queries
    .selectFrom('endpoints')
    .select('name')
    .where('name', 'in', ['', ...endpoints])
    .where('credential', 'is not', null)
    .execute();
  const source = kept[0]?.name ?? endpoints.find(hasConfiguredCredential);
  const project = { isPublic, settings: PullThroughSettings.parse(settings) };
  if (source === undefined) return;
  if (exposesPrivate(project, true)) {
    throw new ManagementError(
      'BAD_REQUEST',
      `project ${name} is public, and registry ${source} has a credential: everybody could pull what that may see. ` +
        'Make the project private, or say in proxy_cache_filter_pattern what everybody may pull',
    );
  }
  if (mayExpose || (before !== undefined && isShownAlike(before, after))) return;
  throw new ManagementError(
    'FORBIDDEN',
    `registry ${source} has a credential: what everybody may pull with that is for those to say who may change the registry`,
  );
}

type Exposed = Pick<ProjectRules, 'hasConfiguredCredential'> & Exposing;

/** Whether everybody may pull the same of both. */
function isShownAlike(before: ProjectDeclaration, after: ProjectDeclaration): boolean {
  const [old, next] = [before, after].map(({ settings }) => PullThroughSettings.parse(settings));
  const isSameFilter = isDeepStrictEqual(old?.repositories, next?.repositories);
  return before.isPublic === after.isPublic && isSameFilter;
}

/** The same of all projects of an endpoint that was given a credential. @throws ManagementError BAD_REQUEST */
export async function refuseExposures(queries: Queries, endpoint: string): Promise<void> {
  for (const project of await readProjects(queries)) {
    if (!project.endpoints.includes(endpoint)) continue;
    const giver = { hasConfiguredCredential: () => false, mayExpose: true };
    await refuseExposure(queries, { after: project }, giver);
  }
}

async function keepMetadata(
  transaction: WriteTransaction,
  project: number,
  metadata: ProjectMetadata,
): Promise<void> {
  for (const [name, value] of Object.entries(metadata)) {
    // It has a column, which the configuration file writes too.
    if (name === 'public') continue;
    await transaction
      .insertInto('project_metadata')
      .values({ project, name, value })
      .onConflict((conflict) => conflict.columns(['project', 'name']).doUpdateSet({ value }))
      .execute();
  }
}
