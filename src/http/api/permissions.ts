import {
  isProjectPermission,
  isSystemPermission,
  may,
  maySystem,
  ROBOT_PROJECT_PERMISSIONS,
  ROBOT_SYSTEM_PERMISSIONS,
} from '../../../policies/access.ts';
import type { Caller } from '../../access/caller.ts';
import { ManagementError } from '../../oci/management-error.ts';
import type { Projects } from './gate.ts';
import { type ApiRoute, route } from './route.ts';

/** What there is to be allowed, and what the caller is. */
export function permissionRoutes(projects: Projects): readonly ApiRoute[] {
  return [PERMISSIONS, currentPermissions(projects)];
}

const PERMISSIONS = route({
  operation: 'getPermissions',
  method: 'GET',
  path: '/permissions',
  permission: 'signed-in',
  answers: [200, 401, 403, 404],
  handle({ caller }) {
    if (!caller.isAdmin && !isSomeProjectAdmin(caller)) {
      throw new ManagementError('FORBIDDEN', 'only admins give permissions');
    }
    const project = [...ROBOT_PROJECT_PERMISSIONS].map(permissionJson);
    const system = [...ROBOT_SYSTEM_PERMISSIONS].map(permissionJson);
    return { json: caller.isAdmin ? { system, project } : { project } };
  },
});

const currentPermissions = (projects: Projects): ApiRoute =>
  route({
    operation: 'getCurrentUserPermissions',
    method: 'GET',
    path: '/users/current/permissions',
    permission: 'signed-in',
    answers: [200, 401],
    async handle({ caller, query, flag }) {
      const scope = query('scope') ?? '/system';
      const allowed = await allowedIn(scope, caller, projects);
      const prefix = flag('relative') === true ? '' : `${scope.replace(/\/$/, '')}/`;
      return {
        json: allowed.map(permissionJson).map(({ resource, action }) => ({
          // What is allowed with the project itself is a permission of the scope's own.
          resource:
            resource === 'project' && scope !== '/system'
              ? prefix.slice(0, -1)
              : `${prefix}${resource}`,
          action,
        })),
      };
    },
  });

/** Nothing in a scope that is not there. */
async function allowedIn(
  scope: string,
  caller: Caller,
  projects: Projects,
): Promise<readonly string[]> {
  if (scope === '/system') {
    return [...ROBOT_SYSTEM_PERMISSIONS].filter(
      (permission) => isSystemPermission(permission) && maySystem(caller, permission),
    );
  }
  const id = Number(/^\/project\/(\d{1,15})\/?$/.exec(scope)?.[1]);
  const project = (await projects.list()).find((each) => each.id === id);
  if (project === undefined) return [];
  return [...ROBOT_PROJECT_PERMISSIONS].filter(
    (permission) => isProjectPermission(permission) && may(caller, permission, project),
  );
}

function isSomeProjectAdmin({ roles }: Caller): boolean {
  return [...roles.values()].some((held) => held.includes('projectAdmin'));
}

function permissionJson(permission: string): { resource: string; action: string } {
  const [resource = '', action = ''] = permission.split(':');
  return { resource, action };
}
