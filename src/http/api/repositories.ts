import { z } from 'zod';
import { may } from '../../../policies/access.ts';
import { timeJson } from './json.ts';
import type { Listed, ListQuery } from './list-query.ts';
import type { Visible } from './managed-projects.ts';
import { visibleTo } from './projects.ts';
import {
  type Actor,
  type ApiRoute,
  DONE,
  type ProjectRequest,
  projectRoute,
  route,
} from './route.ts';

/** A repository as people look at it. Times are milliseconds UTC. */
export interface ManagedRepository {
  readonly id: number;
  /** With its project. */
  readonly name: string;
  readonly project: number;
  readonly description: string;
  readonly artifactCount: number;
  readonly pullCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What these routes need of the node, by names with the project. @throws ManagementError, OciError */
export interface ManagedRepositories {
  list(project: number, query: ListQuery): Promise<Listed<ManagedRepository>>;
  listAll(query: ListQuery, visible: Visible): Promise<Listed<ManagedRepository>>;
  get(name: string): Promise<ManagedRepository>;
  describe(name: string, description: string, actor: Actor): Promise<void>;
  remove(name: string, actor: Actor): Promise<void>;
}

/** Our names by Harbor's. */
const FIELDS = {
  id: 'id',
  repository_id: 'id',
  name: 'name',
  project_id: 'project',
  description: 'description',
  pull_count: 'pullCount',
  creation_time: 'createdAt',
  update_time: 'updatedAt',
  blob_digest: 'blob',
};

/** Another Harbor asks so where it could mount a blob from, and takes what it is told for mounted: told are those that may pull. */
function asksForBlob({ filters }: ListQuery): boolean {
  return filters.some(({ field }) => field === 'blob');
}

/** What artifacts are in. */
export function repositoryRoutes(repositories: ManagedRepositories): readonly ApiRoute[] {
  return [
    listAllRepositories(repositories),
    listRepositories(repositories),
    getRepository(repositories),
    updateRepository(repositories),
    deleteRepository(repositories),
  ];
}

/** The repository that the path names, with its project. */
export function repositoryOf({ project, text }: Pick<ProjectRequest, 'project' | 'text'>): string {
  return `${project.name}/${text('repository_name')}`;
}

const listAllRepositories = (repositories: ManagedRepositories): ApiRoute =>
  route({
    operation: 'listAllRepositories',
    method: 'GET',
    path: '/repositories',
    permission: 'visible',
    answers: [200, 400],
    async handle({ caller, list }) {
      const query = list(FIELDS);
      const visible = asksForBlob(query)
        ? visibleTo(caller, 'repository:list', 'repository:pull')
        : visibleTo(caller, 'repository:list');
      const { items, total } = await repositories.listAll(query, visible);
      return { json: items.map(repositoryJson), total };
    },
  });

const listRepositories = (repositories: ManagedRepositories): ApiRoute =>
  projectRoute({
    operation: 'listRepositories',
    method: 'GET',
    path: '/projects/{project_name}/repositories',
    permission: { project: 'repository:list' },
    answers: [200, 400, 401, 403, 404, 422],
    async handle({ project, caller, list }) {
      const query = list(FIELDS);
      if (asksForBlob(query) && !may(caller, 'repository:pull', project)) {
        return { json: [], total: 0 };
      }
      const { items, total } = await repositories.list(project.id, query);
      return { json: items.map(repositoryJson), total };
    },
  });

const getRepository = (repositories: ManagedRepositories): ApiRoute =>
  projectRoute({
    operation: 'getRepository',
    method: 'GET',
    path: '/projects/{project_name}/repositories/{repository_name}',
    permission: { project: 'repository:read' },
    answers: [200, 400, 401, 403, 404],
    handle: async (request) => ({
      json: repositoryJson(await repositories.get(repositoryOf(request))),
    }),
  });

const updateRepository = (repositories: ManagedRepositories): ApiRoute =>
  projectRoute({
    operation: 'updateRepository',
    method: 'PUT',
    path: '/projects/{project_name}/repositories/{repository_name}',
    permission: { project: 'repository:update' },
    answers: [200, 400, 401, 403, 404],
    async handle(request) {
      const { description } = await request.json(z.object({ description: z.string().default('') }));
      await repositories.describe(repositoryOf(request), description, request.actor);
      return DONE;
    },
  });

const deleteRepository = (repositories: ManagedRepositories): ApiRoute =>
  projectRoute({
    operation: 'deleteRepository',
    method: 'DELETE',
    path: '/projects/{project_name}/repositories/{repository_name}',
    permission: { project: 'repository:delete' },
    answers: [200, 400, 401, 403, 404, 412],
    async handle(request) {
      await repositories.remove(repositoryOf(request), request.actor);
      return DONE;
    },
  });

function repositoryJson(repository: ManagedRepository): object {
  return {
    id: repository.id,
    project_id: repository.project,
    name: repository.name,
    description: repository.description,
    artifact_count: repository.artifactCount,
    pull_count: repository.pullCount,
    creation_time: timeJson(repository.createdAt),
    update_time: timeJson(repository.updatedAt),
  };
}
