import { rightsOf } from '../../policies/robots.ts';
import type { Queries } from '../database/database.ts';
import type { Caller } from './caller.ts';
import { grantsOf } from './robot-grants.ts';
import { robotNameParts } from './robot-names.ts';

/** Undefined for one that is unknown or disabled, or whose project is gone. Whether it has expired is for later. */
export async function readRobotAccount(queries: Queries, fullName: string) {
  const { name, project } = robotNameParts(fullName);
  const robot = await queries
    .selectFrom('robots')
    .leftJoin('projects', 'projects.id', 'robots.project')
    .selectAll('robots')
    .where('robots.name', '=', name)
    .where('robots.disabled', '=', 0)
    .where('projects.deleted_at', 'is', null)
    .where('projects.name', project === undefined ? 'is' : '=', project ?? null)
    .executeTakeFirst();
  if (robot === undefined) return undefined;
  const validFrom = robot.valid_from;
  const expiresAt = robot.expires_at ?? undefined;
  const caller: Caller = {
    name: fullName,
    id: robot.id,
    isAdmin: false,
    isAnonymous: false,
    roles: new Map(),
    validFrom,
    expiresAt,
    robot: rightsOf(grantsOf(robot.permissions)),
  };
  return {
    caller,
    passwordHash: robot.secret_hash,
    validFrom,
    expiresAt,
  };
}
