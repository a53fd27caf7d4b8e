import { isDeepStrictEqual } from 'node:util';
import { canonicalHost } from '../../policies/upstream-host.ts';
import type { Database } from '../database/database.ts';
import { remembered } from '../database/remembered.ts';
import { OciError } from '../oci/error.ts';
import { isNameComponent } from '../oci/reference.ts';
import { projectAdopted } from '../telemetry/channels.ts';
import {
  DeclarationConflict,
  type Declarations,
  type EndpointDeclaration,
  type ProjectDeclaration,
  refuseConflicts,
} from './declarations.ts';
import {
  insertEndpoint,
  insertProject,
  readEndpoints,
  readProjects,
  unmarkOthers,
  updateEndpoint,
  updateProject,
  type Writing,
} from './project-rows.ts';
import type { Seeds } from './seeds.ts';

/** The first part of repository names: who may see and push what, and where pulls go that are not here. */
export interface Project extends ProjectDeclaration {
  readonly id: number;
  /** Whether the configuration file declares it. */
  readonly declared: boolean;
  /** Milliseconds UTC. */
  readonly createdAt: number;
}

/** A configured remote registry. What authenticates there is in the configuration, of those that it declares. */
export interface Endpoint extends EndpointDeclaration {
  readonly id: number;
  readonly declared: boolean;
  /** Sealed. */
  readonly credential: string | undefined;
  /** PEM: trusted there besides what the system trusts. */
  readonly ca: string | undefined;
}

export interface Projects {
  /** In the order in which they were created; the same array while nothing about them changed. */
  list(): Promise<readonly Project[]>;
  get(name: string): Promise<Project | undefined>;
  /** The remote ones: without this node, which is endpoint 0. */
  endpoints(): Promise<readonly Endpoint[]>;
  /**
   * Fills a database that never had a project; does nothing to any other, so that what somebody deleted stays away.
   * What `declared` takes the place of, by its name or as the default or for the same upstream, is not seeded.
   */
  seed(seeds: Seeds, declared?: readonly ProjectDeclaration[]): Promise<void>;
  /**
   * Makes projects and endpoints what the configuration file says. Those that are there by the same name are taken
   * over; those that it does not name any more stay, and are the API's again.
   *
   * @throws DeclarationConflict, OciError NAME_INVALID, and then nothing has changed
   */
  declare(declarations: Declarations): Promise<void>;
}

export interface ProjectsOptions {
  readonly now: () => number;
  /** Hosts that no hosted project may be called while names without a project go to an upstream. */
  readonly wellKnownHosts: readonly string[];
}

interface Facts {
  readonly projects: readonly Project[];
  readonly byName: ReadonlyMap<string, Project>;
  readonly endpoints: readonly Endpoint[];
}

export function createProjects(
  database: Database,
  { now, wellKnownHosts }: ProjectsOptions,
): Projects {
  const facts = remembered<Facts>(database, async (before) => {
    const projects = await readProjects(database.read);
    const endpoints = await readEndpoints(database.read);
    const isSame =
      isDeepStrictEqual(before?.projects, projects) &&
      isDeepStrictEqual(before?.endpoints, endpoints);
    if (before !== undefined && isSame) return before;
    const byName = new Map(projects.map((project) => [project.name, project]));
    return { projects, byName, endpoints };
  });

  return {
    list: async () => (await facts()).projects,
    get: async (name) => (await facts()).byName.get(name),
    endpoints: async () => (await facts()).endpoints,

    async seed(seeds, declared = []) {
      if (await hasHadProjects(database)) return;
      await database.write(async (transaction) => {
        const writing: Writing = { transaction, now: now(), declared: false };
        const known = new Set((await readEndpoints(transaction)).map(({ name }) => name));
        for (const endpoint of seeds.endpoints) {
          if (!known.has(endpoint.name)) await insertEndpoint(writing, endpoint);
        }
        for (const project of beside(declared, seeds.projects)) {
          await insertProject(writing, project);
        }
      });
    },

    async declare(declarations) {
      const adopted = await database.write(async (transaction) => {
        const writing: Writing = { transaction, now: now(), declared: true };
        await declareEndpoints(writing, declarations.endpoints);
        return declareProjects(writing, declarations.projects, wellKnownHosts);
      });
      for (const project of adopted) {
        if (projectAdopted.hasSubscribers) projectAdopted.publish({ project });
      }
    },
  };
}

async function hasHadProjects(database: Database): Promise<boolean> {
  const any = await database.read.selectFrom('projects').select('id').limit(1).executeTakeFirst();
  return any !== undefined;
}

function beside(
  declared: readonly ProjectDeclaration[],
  seeds: readonly ProjectDeclaration[],
): readonly ProjectDeclaration[] {
  const names = new Set(declared.map(({ name }) => name));
  const upstreams = new Set(declared.flatMap(canonicalUpstream));
  const hasDefault = declared.some(({ isDefault }) => isDefault);
  return seeds
    .filter(({ name }) => !names.has(name))
    .filter((seed) => canonicalUpstream(seed).every((host) => !upstreams.has(host)))
    .map((seed) => ({ ...seed, isDefault: seed.isDefault && !hasDefault }));
}

/** None of a hosted project. */
function canonicalUpstream({ upstreamHost }: ProjectDeclaration): readonly string[] {
  return upstreamHost === undefined ? [] : [canonicalHost(upstreamHost)];
}

async function declareEndpoints(
  writing: Writing,
  declared: readonly EndpointDeclaration[],
): Promise<void> {
  const existing = await readEndpoints(writing.transaction);
  for (const endpoint of declared) {
    if (endpoint.name === 'local') {
      throw new DeclarationConflict('endpoint local is declared, but local is this node itself');
    }
    const same = existing.find(({ name }) => name === endpoint.name);
    if (same === undefined) await insertEndpoint(writing, endpoint);
    else if (!isAsDeclared(same, endpoint)) await updateEndpoint(writing, endpoint);
  }
  await unmarkOthers(
    writing,
    'endpoints',
    declared.map(({ name }) => name),
  );
}

/** Resolves to the names of those that the file did not declare before. */
async function declareProjects(
  writing: Writing,
  declared: readonly ProjectDeclaration[],
  wellKnownHosts: readonly string[],
): Promise<readonly string[]> {
  const invalid = declared.find(({ name }) => !isNameComponent(name));
  if (invalid !== undefined) throw new OciError('NAME_INVALID', { detail: invalid.name });
  const existing = await readProjects(writing.transaction);
  refuseConflicts(existing, declared, wellKnownHosts);

  const adopted: string[] = [];
  const fallback = existing.find(({ isDefault }) => isDefault)?.name;
  // Who has been the default gives it up before another becomes it: the table has room for one.
  const ordered = [
    ...declared.filter(({ name }) => name === fallback),
    ...declared.filter(({ name }) => name !== fallback),
  ];
  for (const project of ordered) {
    const same = existing.find(({ name }) => name === project.name);
    if (same === undefined) await insertProject(writing, project);
    else if (!isAsDeclared(same, project)) await updateProject(writing, same.id, project);
    if (same?.declared === false) adopted.push(project.name);
  }
  await unmarkOthers(
    writing,
    'projects',
    declared.map(({ name }) => name),
  );
  return adopted;
}

/** The key of a fact that the declaration does not have is that of the row alone: `id`, `createdAt`. */
function isAsDeclared<T extends ProjectDeclaration | EndpointDeclaration>(
  existing: T & { readonly declared: boolean },
  declaration: T,
): boolean {
  return existing.declared && isDeepStrictEqual({ ...existing, ...declaration }, existing);
}
