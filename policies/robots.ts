/** What a robot may be given, and by whom. Permissions are `resource:action`, those of policies/access.ts. */
import {
  ROBOT_PROJECT_PERMISSIONS,
  ROBOT_SYSTEM_PERMISSIONS,
  type RobotRights,
  type Subject,
} from './access.ts';

/** A system robot may be given the node's permissions and those of any project, a project's only that one's. */
export type RobotLevel = 'system' | 'project';

/** Of the node, of one project (by its id), or of every project there is and will be. */
export type RobotGrant =
  | { readonly kind: 'system'; readonly permissions: readonly string[] }
  | {
      readonly kind: 'project';
      readonly project: number | '*';
      readonly permissions: readonly string[];
    };

/** Why no robot of the level can be given that; undefined where it can. */
export function refusedGrants(
  level: RobotLevel,
  grants: readonly RobotGrant[],
): string | undefined {
  if (grants.length === 0) return 'a robot without permissions can do nothing';
  if (level === 'project') {
    const [grant, ...more] = grants;
    if (more.length > 0 || grant?.kind !== 'project' || grant.project === '*') {
      return 'a project robot has permissions of its own project, and no others';
    }
  }
  for (const { kind, permissions } of grants) {
    if (permissions.length === 0) return 'a permission without access allows nothing';
    const known = kind === 'system' ? ROBOT_SYSTEM_PERMISSIONS : ROBOT_PROJECT_PERMISSIONS;
    const unknown = permissions.find((permission) => !known.has(permission));
    if (unknown !== undefined) return `no robot can be given ${unknown} of kind ${kind}`;
  }
  return undefined;
}

export function rightsOf(grants: readonly RobotGrant[]): RobotRights {
  const system = new Set<string>();
  const everywhere = new Set<string>();
  const projects = new Map<number, Set<string>>();
  const rightsFor = (grant: RobotGrant): Set<string> => {
    if (grant.kind === 'system') return system;
    if (grant.project === '*') return everywhere;
    const rights = projects.get(grant.project) ?? new Set();
    projects.set(grant.project, rights);
    return rights;
  };
  for (const grant of grants) {
    for (const permission of grant.permissions) rightsFor(grant).add(permission);
  }
  return { system, everywhere, projects };
}

/**
 * Whether the caller may make a robot that can do this, or become it by a new secret: a robot gives only what it has.
 * Of people this asks nothing: whether they may make robots at all is a permission of its own.
 */
export function mayGive({ robot }: Subject, wanted: RobotRights): boolean {
  if (robot === undefined) return true;
  const { system, everywhere, projects } = robot;
  return (
    wanted.system.isSubsetOf(system) &&
    wanted.everywhere.isSubsetOf(everywhere) &&
    [...wanted.projects].every(([project, permissions]) =>
      permissions.isSubsetOf(everywhere.union(projects.get(project) ?? new Set<string>())),
    )
  );
}
