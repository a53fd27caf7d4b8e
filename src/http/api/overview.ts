import type { Caller } from '../../access/caller.ts';
import type { Projects } from './gate.ts';
import type { ManagedProject, Visible } from './managed-projects.ts';
import { projectJson, visibleTo } from './projects.ts';
import type { ManagedRepository } from './repositories.ts';
import { type ApiRoute, route } from './route.ts';

interface Counts {
  readonly projects: number;
  readonly repositories: number;
}

/** The projects that a caller may know of, and those whose repositories. */
interface Seen {
  readonly projects: Visible;
  readonly repositories: Visible;
}

/** What these routes need of the node. */
export interface Overview {
  counts(seen: Seen): Promise<{ readonly public: Counts; readonly private: Counts }>;
  /** Bytes. */
  storedBytes(): Promise<number>;
  search(
    text: string,
    seen: Seen,
  ): Promise<{
    readonly projects: readonly ManagedProject[];
    readonly repositories: readonly ManagedRepository[];
  }>;
}

/** The node as a whole, as far as the caller may know of it. */
export function overviewRoutes(overview: Overview, projects: Projects): readonly ApiRoute[] {
  return [statistics(overview), search(overview, projects)];
}

const statistics = (overview: Overview): ApiRoute =>
  route({
    operation: 'getStatistic',
    method: 'GET',
    path: '/statistics',
    permission: 'signed-in',
    answers: [200, 401],
    async handle({ caller }) {
      const counts = await overview.counts(seenBy(caller));
      return {
        json: {
          public_project_count: counts.public.projects,
          private_project_count: counts.private.projects,
          total_project_count: counts.public.projects + counts.private.projects,
          public_repo_count: counts.public.repositories,
          private_repo_count: counts.private.repositories,
          total_repo_count: counts.public.repositories + counts.private.repositories,
          // How much there is in all tells of projects that the caller does not see.
          total_storage_consumption: caller.isAdmin ? await overview.storedBytes() : 0,
        },
      };
    },
  });

const search = (overview: Overview, projects: Projects): ApiRoute =>
  route({
    operation: 'search',
    method: 'GET',
    path: '/search',
    permission: 'visible',
    answers: [200],
    async handle({ caller, query }) {
      const text = query('q');
      // The contract has no refusal.
      if (text === undefined) return { json: { project: [], repository: [] } };
      const found = await overview.search(text, seenBy(caller));
      const byId = new Map((await projects.list()).map((project) => [project.id, project]));
      return {
        json: {
          project: found.projects.map((project) => projectJson(project, caller)),
          repository: found.repositories.map((repository) => ({
            repository_name: repository.name,
            project_id: repository.project,
            project_name: byId.get(repository.project)?.name ?? '',
            project_public: byId.get(repository.project)?.isPublic ?? false,
            pull_count: repository.pullCount,
            artifact_count: repository.artifactCount,
          })),
        },
      };
    },
  });

function seenBy(caller: Caller): Seen {
  return {
    projects: visibleTo(caller, 'project:read'),
    repositories: visibleTo(caller, 'repository:list'),
  };
}
