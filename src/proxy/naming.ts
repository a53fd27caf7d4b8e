/**
 * Which repository a request means. The first line that matches decides; a miss never falls to the next:
 *
 *     1  came by a mirror's host or port       as if it had said ?ns=<the mirror's upstream>
 *     2  ?ns=<host>                            the proxy project of that upstream host
 *     3  /v2/<project>/<path>                  that project
 *     4  a pull of any other name              the default proxy project (Docker Hub)
 */
import { canonicalHost } from '../../policies/upstream-host.ts';
import { NoSuchProject, OciError } from '../oci/error.ts';
import { isRepositoryName } from '../oci/reference.ts';

/** What naming has to know of a project. */
export interface NamedProject {
  readonly name: string;
  readonly kind: 'hosted' | 'proxy';
  readonly isPublic: boolean;
  /** `host` or `host:port`; proxy projects only. */
  readonly upstreamHost?: string | undefined;
  /** Answers pulls of names that no project has. */
  readonly isDefault: boolean;
  /** The name under which upstream keeps a repository that people call so, where that differs: Docker Hub's `library/`. */
  readonly canonicalRepository?: ((path: string) => string) | undefined;
}

export interface NamingFacts<Project extends NamedProject> {
  readonly byName: ReadonlyMap<string, Project>;
  readonly byUpstreamHost: ReadonlyMap<string, Project>;
  readonly fallback: Project | undefined;
  readonly ownNames: ReadonlySet<string>;
}

/** What a request says about the name it means. */
export interface NamedRequest {
  /** The upstream that the listener or host it came by mirrors. */
  readonly mirror?: string | undefined;
  /** `?ns=`, as containerd and BuildKit send it (distribution-spec main branch "Proxying"). */
  readonly ns: string | undefined;
  /** The repository's name as the client wrote it. */
  readonly name: string;
  readonly method: string;
}

export interface Located<Project> {
  /** The canonical name: what is stored, authorised, audited and named in challenges. */
  readonly repository: string;
  readonly project: Project;
  /** The client's `?ns=`, where it names an upstream and not this node. */
  readonly ns: string | undefined;
}

/** Prepares what {@link locate} looks names up in; worth keeping while the projects are the same. */
export function namingFacts<Project extends NamedProject>(
  projects: readonly Project[],
  ownNames: readonly string[],
): NamingFacts<Project> {
  const proxies = projects.filter((project) => project.kind === 'proxy');
  return {
    byName: new Map(projects.map((project) => [project.name, project])),
    byUpstreamHost: new Map(
      // Of two for one upstream the first stays: nobody takes an upstream over from a project that is there.
      proxies
        .toReversed()
        .map((project) => [canonicalHost(project.upstreamHost ?? project.name), project]),
    ),
    fallback: proxies.find((project) => project.isDefault),
    ownNames: new Set(ownNames.map(canonicalHost)),
  };
}

/**
 * Decides from names alone; whether the caller may see the repository, and whether it exists, are others' questions.
 *
 * @throws OciError NAME_INVALID, NAME_UNKNOWN, UNSUPPORTED for writes by a mirror or with `ns`; NoSuchProject DENIED for writes to
 *   no project, NAME_UNKNOWN for pulls from none where no project is the default
 */
export function locate<Project extends NamedProject>(
  request: NamedRequest,
  facts: NamingFacts<Project>,
): Located<Project> {
  if (!isRepositoryName(request.name)) throw new OciError('NAME_INVALID', { detail: request.name });
  const host = foreignHost(request.ns, facts);
  if (request.mirror !== undefined) return byMirror(request.mirror, host, request, facts);
  if (host !== undefined) return byUpstream(host, request, facts);

  const slash = request.name.indexOf('/');
  const first = slash < 0 ? request.name : request.name.slice(0, slash);
  const project = facts.byName.get(first);
  if (project !== undefined) return inProject(project, request, slash);
  if (!isPull(request)) {
    throw new NoSuchProject('DENIED', {
      message: `push to <project>/<name>; project ${first} does not exist`,
    });
  }
  if (facts.fallback === undefined) {
    throw new NoSuchProject('NAME_UNKNOWN', { detail: request.name });
  }
  return located(facts.fallback, request.name, undefined);
}

function byMirror<Project extends NamedProject>(
  mirror: string,
  host: string | undefined,
  request: NamedRequest,
  facts: NamingFacts<Project>,
): Located<Project> {
  // A client that names another registry here must not be given this one's content under that name.
  const isOther = host !== undefined && host !== canonicalHost(mirror);
  if (isOther) throw new OciError('NAME_UNKNOWN', { message: `this is a mirror of ${mirror}` });
  const asked = host === undefined ? { ...request, ns: undefined } : request;
  const found = byUpstream(canonicalHost(mirror), asked, facts);
  if (found.project.isPublic) return found;
  throw new OciError('DENIED', { message: `project ${found.project.name} is not public` });
}

function byUpstream<Project extends NamedProject>(
  host: string,
  request: NamedRequest,
  facts: NamingFacts<Project>,
): Located<Project> {
  if (!isPull(request)) throw new OciError('UNSUPPORTED', { message: 'a mirror takes no pushes' });
  const project = facts.byUpstreamHost.get(host);
  if (project !== undefined) return located(project, pathIn(project, request), request.ns);
  throw new OciError('NAME_UNKNOWN', { message: `${host} is not mirrored here` });
}

/**
 * containerd names the upstream twice when hosts.toml has the project in the URL, `override_path = true`, as Harbor
 * needs it (seen with 1.6.20): `/v2/ghcr.io/team/app/…?ns=ghcr.io`. Only a project named like a host is left out of the
 * path, for no upstream has its own host as the first part of a name.
 */
function pathIn(project: NamedProject, { name, ns }: NamedRequest): string {
  const isTwice =
    ns !== undefined && project.name.includes('.') && name.startsWith(`${project.name}/`);
  return isTwice ? name.slice(project.name.length + 1) : name;
}

function inProject<Project extends NamedProject>(
  project: Project,
  request: NamedRequest,
  slash: number,
): Located<Project> {
  if (slash >= 0) return located(project, request.name.slice(slash + 1), undefined);
  // Not the default project's: what a project's name means must not depend on what else upstream has by that name.
  throw new OciError(isPull(request) ? 'NAME_UNKNOWN' : 'DENIED', {
    message: `${project.name} is a project; a repository in it is ${project.name}/<name>`,
  });
}

function located<Project extends NamedProject>(
  project: Project,
  path: string,
  ns: string | undefined,
): Located<Project> {
  const canonical = project.canonicalRepository?.(path) ?? path;
  return { repository: `${project.name}/${canonical}`, project, ns };
}

function foreignHost(ns: string | undefined, facts: NamingFacts<NamedProject>): string | undefined {
  if (ns === undefined || ns === '') return undefined;
  const host = canonicalHost(ns);
  return facts.ownNames.has(host) ? undefined : host;
}

function isPull(request: NamedRequest): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}
