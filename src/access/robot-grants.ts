import { z } from 'zod';
import type { RobotGrant } from '../../policies/robots.ts';
import type { Queries } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';

/** As Harbor's API has them. `namespace` is `/` for the node, and a project's name or `*` for projects. */
export interface RobotPermission {
  readonly kind: 'system' | 'project';
  readonly namespace: string;
  readonly access: readonly { readonly resource: string; readonly action: string }[];
}

// Projects by id: who takes the name of one that is gone gives no robot of that one anything.
const Grants = z.array(
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('system'), permissions: z.array(z.string()) }),
    z.object({
      kind: z.literal('project'),
      project: z.union([z.number(), z.literal('*')]),
      permissions: z.array(z.string()),
    }),
  ]),
);

/** Of a robot's row. */
export function grantsOf(json: string): readonly RobotGrant[] {
  return Grants.parse(JSON.parse(json));
}

/** @throws ManagementError BAD_REQUEST, or NOT_FOUND for a project that is not there */
export async function grantsIn(
  queries: Queries,
  permissions: readonly RobotPermission[],
): Promise<readonly RobotGrant[]> {
  const grants: RobotGrant[] = [];
  for (const { kind, namespace, access } of permissions) {
    const words = new Set(access.map(({ resource, action }) => `${resource}:${action}`));
    if (kind === 'project') {
      const project = await projectOf(queries, namespace);
      grants.push({ kind, project, permissions: [...words] });
    } else if (namespace === '/') {
      grants.push({ kind, permissions: [...words] });
    } else {
      throw new ManagementError('BAD_REQUEST', 'the namespace of the kind system is /');
    }
  }
  return grants;
}

/** Without those of projects that are gone. */
export function permissionsOf(
  grants: readonly RobotGrant[],
  projectNames: ReadonlyMap<number, string>,
): readonly RobotPermission[] {
  return grants.flatMap((grant) => {
    const namespace = namespaceOf(grant, projectNames);
    if (namespace === undefined) return [];
    const access = grant.permissions.map((permission) => {
      const [resource = '', action = ''] = permission.split(':');
      return { resource, action };
    });
    return [{ kind: grant.kind, namespace, access }];
  });
}

function namespaceOf(
  grant: RobotGrant,
  projectNames: ReadonlyMap<number, string>,
): string | undefined {
  if (grant.kind === 'system') return '/';
  return grant.project === '*' ? '*' : projectNames.get(grant.project);
}

async function projectOf(queries: Queries, namespace: string): Promise<number | '*'> {
  if (namespace === '*') return '*';
  const project = await queries
    .selectFrom('projects')
    .select('id')
    .where('name', '=', namespace)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (project !== undefined) return project.id;
  throw new ManagementError('NOT_FOUND', `there is no project ${namespace}`);
}
