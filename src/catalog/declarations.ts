/** What the configuration file may say of projects and endpoints, and when that cannot be had. */
import { canonicalHost } from '../../policies/upstream-host.ts';
import type { ProjectKind, ReferenceMode } from '../database/tables.ts';

/** A project as it shall be. */
export interface ProjectDeclaration {
  readonly name: string;
  readonly kind: ProjectKind;
  readonly isPublic: boolean;
  readonly references: ReferenceMode;
  /** `host` or `host:port` that `?ns=` names; of every proxy project, and of no hosted one. */
  readonly upstreamHost?: string | undefined;
  /** Answers pulls of names that no project has; of one proxy project at most. */
  readonly isDefault: boolean;
  /** Names of endpoints, in the order in which they are asked. */
  readonly endpoints: readonly string[];
  /** JSON. */
  readonly settings: unknown;
}

/** A remote registry as it shall be. */
export interface EndpointDeclaration {
  readonly name: string;
  readonly adapter: string;
  readonly url: string;
  /** JSON: the adapter's options; never a credential. */
  readonly settings: unknown;
}

export interface Declarations {
  readonly projects: readonly ProjectDeclaration[];
  readonly endpoints: readonly EndpointDeclaration[];
}

/** The configuration declares what cannot be beside something else; the message names both. */
export class DeclarationConflict extends Error {
  override readonly name = 'DeclarationConflict';
}

/** Names of repositories on Docker Hub that have no project in front start with it. */
const OFFICIAL_IMAGES = 'library';

/**
 * Whether the declared projects can be created, or take the place of those that are there by the same name.
 *
 * @throws DeclarationConflict
 */
export function refuseConflicts(
  existing: readonly ProjectDeclaration[],
  declared: readonly ProjectDeclaration[],
  wellKnownHosts: readonly string[],
): void {
  const byName = new Map(existing.map((project) => [project.name, project]));
  for (const project of declared) {
    const same = byName.get(project.name);
    if (same !== undefined) refuseOtherIdentity(same, project);
    byName.set(project.name, project);
  }
  const projects = [...byName.values()];
  refuseSharedUpstream(projects);
  refuseSecondDefault(projects);
  refusePlantedNames(projects, wellKnownHosts);
}

/** What clients and caches took the project for stays true as long as it has its name. */
function refuseOtherIdentity(existing: ProjectDeclaration, declared: ProjectDeclaration): void {
  if (existing.kind !== declared.kind) {
    throw new DeclarationConflict(
      `${declared.name} is declared as a ${declared.kind} project, but the ${existing.kind} project ${existing.name} exists: a project stays of its kind`,
    );
  }
  if (existing.upstreamHost !== declared.upstreamHost) {
    throw new DeclarationConflict(
      `project ${declared.name} is declared for the upstream ${declared.upstreamHost}, but the project ${existing.name} that exists is for ${existing.upstreamHost}: a project stays with its upstream`,
    );
  }
}

function refuseSharedUpstream(projects: readonly ProjectDeclaration[]): void {
  const owners = new Map<string, string>();
  for (const { name, upstreamHost } of projects) {
    if (upstreamHost === undefined) continue;
    const host = canonicalHost(upstreamHost);
    const owner = owners.get(host);
    if (owner !== undefined) {
      throw new DeclarationConflict(
        `projects ${owner} and ${name} are both for the upstream ${host}`,
      );
    }
    owners.set(host, name);
  }
}

function refuseSecondDefault(projects: readonly ProjectDeclaration[]): void {
  const [first, second] = projects.filter((project) => project.isDefault);
  if (first !== undefined && second !== undefined) {
    throw new DeclarationConflict(
      `projects ${first.name} and ${second.name} are both the default: declare one of them with default: false`,
    );
  }
}

/** Nobody plants names in front of the upstream that names without a project are for. */
function refusePlantedNames(
  projects: readonly ProjectDeclaration[],
  wellKnownHosts: readonly string[],
): void {
  const fallback = projects.find((project) => project.isDefault);
  if (fallback === undefined) return;
  const upstreams = projects.flatMap(({ upstreamHost }) => upstreamHost ?? []);
  const meant = new Set([OFFICIAL_IMAGES, ...[...wellKnownHosts, ...upstreams].map(canonicalHost)]);
  const planted = projects.find(
    ({ kind, name }) => kind === 'hosted' && meant.has(canonicalHost(name)),
  );
  if (planted !== undefined) {
    throw new DeclarationConflict(
      `project ${planted.name} is hosted, but while ${fallback.name} is the default, pulls of ${planted.name}/… are meant for an upstream`,
    );
  }
}
