import { z } from 'zod';
import { may, mayAnywhere, maySystem, ROLE_IDS, type Role } from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import { ManagementError } from '../../oci/management-error.ts';
import type { Settings } from './configurations.ts';
import { timeJson } from './json.ts';
import type { Filter } from './list-query.ts';
import type {
  Exposing,
  ManagedProject,
  ManagedProjects,
  Storage,
  Visible,
} from './managed-projects.ts';
import { type ApiRequest, type ApiRoute, DONE, projectRoute, route } from './route.ts';

const FIELDS = {
  project_id: 'id',
  name: 'name',
  owner: 'owner',
  owner_name: 'owner',
  public: 'isPublic',
  creation_time: 'createdAt',
  update_time: 'updatedAt',
};

const Changes = z.object({
  public: z.boolean().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  cve_allowlist: z.object({ items: z.array(z.unknown()).optional() }).optional(),
});
const Creation = Changes.extend({
  project_name: z.string(),
  storage_limit: z.int().optional(),
  registry_id: z.int().optional(),
});

/** The first part of repository names. */
export function projectRoutes(
  projects: ManagedProjects,
  settings: Pick<Settings, 'current'>,
): readonly ApiRoute[] {
  return [
    listProjects(projects),
    headProject(projects),
    createProject(projects, settings),
    getProject(projects),
    updateProject(projects),
    deleteProject(projects),
    deletable(projects),
    summary(projects),
  ];
}

const listProjects = (projects: ManagedProjects): ApiRoute =>
  route({
    operation: 'listProjects',
    method: 'GET',
    path: '/projects',
    permission: 'visible',
    answers: [200, 400, 401, 422],
    async handle(request) {
      const { caller, list } = request;
      const asked = list(FIELDS);
      const filters = [...asked.filters, ...olderFilters(request)];
      const isAll = maySystem(caller, 'project:list');
      const visible = isAll ? 'all' : visibleTo(caller, 'project:read');
      const { items, total } = await projects.list({ ...asked, filters }, visible);
      return { json: items.map((project) => projectJson(project, caller)), total };
    },
  });

const headProject = (projects: ManagedProjects): ApiRoute =>
  route({
    operation: 'headProject',
    method: 'HEAD',
    path: '/projects',
    permission: 'visible',
    answers: [200, 400, 404],
    async handle({ query, caller }) {
      const name = query('project_name');
      if (name === undefined) throw new ManagementError('BAD_REQUEST', 'project_name is missing');
      const project = await projects.get(name);
      if (may(caller, 'project:read', project)) return DONE;
      throw new ManagementError('NOT_FOUND', `project ${name} not found`);
    },
  });

const createProject = (
  projects: ManagedProjects,
  { current }: Pick<Settings, 'current'>,
): ApiRoute =>
  route({
    operation: 'createProject',
    method: 'POST',
    path: '/projects',
    permission: {
      system: 'project:create',
      orPeople: async () => (await current()).projectCreation === 'everyone',
    },
    answers: [201, 400, 401, 409],
    async handle({ json, caller, actor, header }) {
      const { project_name: name, ...asked } = await json(Creation);
      // Who makes no proxy project, or means the limit of the node, says 0 or nothing.
      const endpoint = asked.registry_id === 0 ? undefined : asked.registry_id;
      const storageLimit = asked.storage_limit === 0 ? undefined : asked.storage_limit;
      const isTrusted = maySystem(caller, 'project:create');
      if (endpoint !== undefined && !isTrusted) {
        const message = 'only an admin makes proxy projects: they pull with what the node may see';
        throw new ManagementError('FORBIDDEN', message);
      }
      const { id } = await projects.create(
        {
          name,
          endpoint,
          metadata: metadataOf(asked),
          // As Harbor has it: nobody else says what they may fill.
          storageLimit: isTrusted ? storageLimit : undefined,
          creator: caller.robot === undefined ? caller.id : undefined,
        },
        actor,
        exposingOf(caller),
      );
      return { location: `/projects/${header('X-Resource-Name-In-Location') ? name : id}` };
    },
  });

const getProject = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'getProject',
    method: 'GET',
    path: '/projects/{project_name_or_id}',
    permission: { project: 'project:read' },
    answers: [200, 401, 403, 404],
    async handle({ project, caller }) {
      return { json: projectJson(await projects.get(project.id), caller) };
    },
  });

const updateProject = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'updateProject',
    method: 'PUT',
    path: '/projects/{project_name_or_id}',
    permission: { project: 'project:update' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, json, actor, caller }) {
      const metadata = metadataOf(await json(Changes));
      await projects.update(project.id, metadata, actor, exposingOf(caller));
      return DONE;
    },
  });

const deleteProject = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'deleteProject',
    method: 'DELETE',
    path: '/projects/{project_name_or_id}',
    permission: { project: 'project:delete' },
    answers: [200, 400, 403, 404, 412],
    async handle({ project, actor }) {
      await projects.remove(project.id, actor);
      return DONE;
    },
  });

const deletable = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'getProjectDeletable',
    method: 'GET',
    path: '/projects/{project_name_or_id}/_deletable',
    permission: { project: 'project:delete' },
    answers: [200, 401, 403, 404],
    async handle({ project }) {
      const message = await projects.obstacle(project.id);
      return { json: message === undefined ? { deletable: true } : { deletable: false, message } };
    },
  });

const summary = (projects: ManagedProjects): ApiRoute =>
  projectRoute({
    operation: 'getProjectSummary',
    method: 'GET',
    path: '/projects/{project_name_or_id}/summary',
    permission: { project: 'project:read' },
    answers: [200, 400, 401, 403, 404],
    async handle({ project, caller }) {
      const { repositoryCount, members, storage } = await projects.summary(project.id);
      return {
        json: {
          repo_count: repositoryCount,
          ...(may(caller, 'member:list', project) ? memberCounts(members) : {}),
          ...(may(caller, 'quota:read', project) ? { quota: storageJson(storage) } : {}),
        },
      };
    },
  });

/** As a quota has it. */
export function storageJson({ used, limit }: Storage): object {
  return { hard: { storage: limit }, used: { storage: used } };
}

/** The credential is the registry's: who may give it one says who may use it. */
export function exposingOf(caller: Caller): Exposing {
  return { mayExpose: maySystem(caller, 'registry:update') };
}

type Seeing = 'project:read' | 'repository:list' | 'repository:pull';

/** The projects that a list of them, or of what is in them, may show the caller, who has to have all of the permissions. */
export function visibleTo(caller: Caller, ...permissions: readonly Seeing[]): Visible {
  if (permissions.every((each) => mayAnywhere(caller, each))) return 'all';
  const known = new Set([...caller.roles.keys(), ...(caller.robot?.projects.keys() ?? [])]);
  const mayIn = (id: number): boolean =>
    permissions.every((each) => may(caller, each, { id, isPublic: false }));
  return { projects: [...known].filter(mayIn) };
}

/** Harbor's parameters from before there was `q`. */
function olderFilters({ query, flag }: ApiRequest): readonly Filter[] {
  const [name, owner] = [query('name'), query('owner')];
  const isPublic = flag('public');
  return [
    ...(name === undefined ? [] : [{ field: 'name', kind: 'fuzzy', value: name } as const]),
    ...(owner === undefined ? [] : [{ field: 'owner', kind: 'exact', value: owner } as const]),
    ...(isPublic === undefined
      ? []
      : [{ field: 'isPublic', kind: 'exact', value: String(isPublic) } as const]),
  ];
}

/** @throws ManagementError BAD_REQUEST for a list of exceptions to a check that nobody makes */
function metadataOf({
  public: isPublic,
  metadata,
  cve_allowlist: allowlist,
}: z.infer<typeof Changes>): Readonly<Record<string, string>> {
  if ((allowlist?.items ?? []).length > 0) {
    throw new ManagementError('BAD_REQUEST', 'cve_allowlist: this node looks for no CVEs');
  }
  const older = isPublic === undefined ? {} : { public: String(isPublic) };
  return { ...older, ...metadata };
}

export function projectJson(project: ManagedProject, caller: Caller): object {
  const held = caller.roles.get(project.id) ?? [];
  const roles = held.map((role) => ROLE_IDS[role]);
  const [role] = caller.isAdmin ? [ROLE_IDS.projectAdmin] : roles;
  return {
    project_id: project.id,
    name: project.name,
    owner_name: project.owner,
    ...(project.endpoint === undefined ? {} : { registry_id: project.endpoint }),
    creation_time: timeJson(project.createdAt),
    update_time: timeJson(project.updatedAt),
    deleted: false,
    repo_count: project.repositoryCount,
    ...(role === undefined ? {} : { current_user_role_id: role }),
    current_user_role_ids: roles,
    metadata: project.metadata,
    cve_allowlist: { project_id: project.id, items: [] },
  };
}

function memberCounts(members: Readonly<Record<Role, number>>): object {
  return {
    project_admin_count: members.projectAdmin,
    maintainer_count: members.maintainer,
    developer_count: members.developer,
    guest_count: members.guest,
    limited_guest_count: members.limitedGuest,
  };
}
