/** The projects there are, as naming needs them, and what naming makes of a request. */
import {
  locate,
  type NamedProject,
  type NamedRequest,
  type NamingFacts,
  namingFacts,
} from './naming.ts';

/** A project as the catalog has it. */
type KnownProject = Omit<NamedProject, 'canonicalRepository'>;

export interface NamesOptions<Project extends KnownProject> {
  /** The same list while nothing about the projects changed. */
  readonly projects: { list(): Promise<readonly Project[]> };
  /** What the project's adapter makes of a name; undefined where it makes nothing of any. */
  readonly canonicalRepository: (
    project: Project,
  ) => Promise<((path: string) => string) | undefined>;
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

export function createNames<Project extends KnownProject>({
  projects,
  canonicalRepository,
  ownNames,
}: NamesOptions<Project>): Names<Project> {
  let known: readonly Project[] | undefined;
  let facts: NamingFacts<NamedProject & { readonly of: Project }> = namingFacts([], ownNames);

  return {
    async locate(request) {
      const list = await projects.list();
      if (list !== known) {
        const named = await Promise.all(
          list.map(async (project) => ({
            ...project,
            canonicalRepository: await canonicalRepository(project),
            of: project,
          })),
        );
        facts = namingFacts(named, ownNames);
        known = list;
      }
      const { repository, project, ns } = locate(request, facts);
      return { repository, project: project.of, clientName: request.name, ns };
    },
  };
}
