/** Robots as rows, and as people manage them. */
import type { Selectable } from 'kysely';
import type { RobotLevel } from '../../policies/robots.ts';
import type { RobotRow } from '../database/access-tables.ts';
import type { Queries } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';
import { grantsOf, permissionsOf, type RobotPermission } from './robot-grants.ts';
import { robotFullName } from './robot-names.ts';

/** What may change of a robot; its name and level stay. */
export interface RobotSettings {
  readonly description: string;
  /** Whole days from its creation; -1 for ever. */
  readonly durationDays: number;
  readonly disabled: boolean;
  /** A project robot has one, of its project. */
  readonly permissions: readonly RobotPermission[];
}

/** What shall be another; what is left out stays. */
export type RobotChange = {
  readonly [Key in keyof RobotSettings]?: RobotSettings[Key] | undefined;
};

export interface Robot extends RobotSettings {
  readonly id: number;
  readonly name: string;
  /** What it signs in with. */
  readonly fullName: string;
  readonly level: RobotLevel;
  /** Its own, of a project robot. */
  readonly project: { readonly id: number; readonly name: string } | undefined;
  /** Milliseconds UTC, as are the others; undefined for ever. */
  readonly expiresAt: number | undefined;
  /** The full name of who made it. */
  readonly creator: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type RobotColumns = Selectable<RobotRow>;

/** Of the node, or of a project that is there. @throws ManagementError NOT_FOUND */
export async function findRobot(queries: Queries, id: number): Promise<RobotColumns> {
  const row = await queries
    .selectFrom('robots')
    .leftJoin('projects', 'projects.id', 'robots.project')
    .selectAll('robots')
    .where('robots.id', '=', id)
    .where('projects.deleted_at', 'is', null)
    .executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `there is no robot ${id}`);
  return row;
}

/** Of those that are there. */
export async function projectNames(queries: Queries): Promise<ReadonlyMap<number, string>> {
  const projects = await queries
    .selectFrom('projects')
    .select(['id', 'name'])
    .where('deleted_at', 'is', null)
    .execute();
  return new Map(projects.map(({ id, name }) => [id, name]));
}

export async function described(queries: Queries, row: RobotColumns): Promise<Robot> {
  return robotOf(row, await projectNames(queries));
}

export function robotOf(row: RobotColumns, names: ReadonlyMap<number, string>): Robot {
  const project =
    row.project === null ? undefined : { id: row.project, name: names.get(row.project) ?? '' };
  return {
    id: row.id,
    name: row.name,
    fullName: robotFullName(row.name, project?.name),
    level: project === undefined ? 'system' : 'project',
    project,
    description: row.description,
    permissions: permissionsOf(grantsOf(row.permissions), names),
    durationDays: row.duration_days,
    expiresAt: row.expires_at ?? undefined,
    disabled: row.disabled === 1,
    creator: row.creator,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
