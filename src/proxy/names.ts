/** The projects there are, as naming needs them, and what naming makes of a request. */
import {
  locate,
  type NamedProject,
  type NamedRequest,
  type NamingFacts,
  namingFacts,
} from './naming.ts';

/** The projects of this node; the same list while nothing about them changed. */
export interface ProjectList<Project> {
  list(): Promise<readonly Project[]>;
}

export interface NamesOptions<Project> {
  readonly projects: ProjectList<Project>;
  /** Whether upstream keeps names of one component below `library/`: the project's adapter knows. */
  readonly addsLibrary: (project: Project) => boolean;
  /** `host` or `host:port` of this node, as `?ns=` may name it. */
  readonly ownNames: readonly string[];
}

/** A repository as a request named it. */
export interface NamedTarget<Project> {
  readonly repository: string;
  readonly project: Project;
  readonly clientName: string;
  /** As the client wrote it, where it named an upstream. */
  readonly ns: string | undefined;
}

export interface Names<Project> {
  /** @throws OciError as `locate` of `naming.ts` */
  locate(request: NamedRequest): Promise<NamedTarget<Project>>;
}

export function createNames<Project extends Omit<NamedProject, 'addsLibrary'>>({
  projects,
  addsLibrary,
  ownNames,
}: NamesOptions<Project>): Names<Project> {
  let known: readonly Project[] | undefined;
  let facts: NamingFacts<NamedProject & { readonly of: Project }> = namingFacts([], ownNames);

  return {
    async locate(request) {
      const list = await projects.list();
      if (list !== known) {
        const named = list.map((project) => ({
          ...project,
          addsLibrary: addsLibrary(project),
          of: project,
        }));
        facts = namingFacts(named, ownNames);
        known = list;
      }
      const { repository, project, ns } = locate(request, facts);
      return { repository, project: project.of, clientName: request.name, ns };
    },
  };
}
