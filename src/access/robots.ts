import { isDeepStrictEqual } from 'node:util';
import type { Subject } from '../../policies/access.ts';
import {
  mayGive,
  type RobotGrant,
  type RobotLevel,
  refusedGrants,
  rightsOf,
} from '../../policies/robots.ts';
import type { Actor } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import { noteChange } from './changes.ts';
import { grantsIn, grantsOf, type RobotPermission } from './robot-grants.ts';
import { assertRobotName } from './robot-names.ts';
import {
  described,
  findRobot,
  projectNames,
  type Robot,
  type RobotChange,
  type RobotColumns,
  type RobotSettings,
  robotOf,
} from './robot-rows.ts';
import { generateSecret, hashSecret } from './robot-secrets.ts';
import { assertPassword } from './user-rules.ts';

export interface NewRobot extends RobotSettings {
  /** Without prefix and project. */
  readonly name: string;
  readonly level: RobotLevel;
  /** Undefined: one is made. */
  readonly secret?: string | undefined;
}

/** Who a change is made for: a robot gives others only what it has itself, and for no longer. */
export interface Giver {
  readonly subject: Subject;
  readonly actor: Actor;
  /** When the giver ends, milliseconds UTC; undefined for ever. */
  readonly expiresAt?: number | undefined;
}

/** What throws a ManagementError has changed nothing. */
export interface Robots {
  /**
   * `secret` is what it signs in with, the only time that anybody can see it.
   *
   * @throws ManagementError BAD_REQUEST, CONFLICT where its project or the node has one of the name, NOT_FOUND for an
   *   unknown project, FORBIDDEN for what the giver does not have
   */
  create(
    robot: NewRobot,
    giver: Giver,
  ): Promise<{ readonly robot: Robot; readonly secret: string }>;
  /** @throws ManagementError NOT_FOUND, as all do that take an id */
  get(id: number): Promise<Robot>;
  /** Of a project, or of the node, the oldest first. Fields: `id`, `name`, `description`, `creator`, `disabled`, `createdAt`. */
  list(project: number | undefined, query: ListQuery): Promise<Listed<Robot>>;
  /** Tokens of one that is disabled are void. @throws ManagementError as `create` does, of what is given anew */
  update(id: number, change: RobotChange, giver: Giver): Promise<void>;
  /**
   * The old secret, and tokens that were issued for it, are void.
   *
   * @returns the new one where it was made here, the only time that anybody can see it
   * @throws ManagementError BAD_REQUEST, or FORBIDDEN for a robot that has something the giver does not have
   */
  changeSecret(id: number, secret: string | undefined, giver: Giver): Promise<string | undefined>;
  remove(id: number, actor: Actor): Promise<void>;
}

const DAY_MS = 24 * 60 * 60_000;
/** Harbor's, an int32. */
const MOST_DAYS = 2 ** 31 - 1;
/** The last moment that a date can say (ECMA-262, time values); a later one no row gives back. */
const END_OF_TIME = 8.64e15;

export function createRobots(database: Database, { now }: { now: () => number }): Robots {
  return {
    create: (robot, giver) => createRobot(database, robot, giver, now),

    async get(id) {
      return described(database.read, await findRobot(database.read, id));
    },

    async list(project, query) {
      const { read } = database;
      const rows = read
        .selectFrom('robots')
        .selectAll()
        .where('project', project === undefined ? 'is' : '=', project ?? null);
      const { items, total } = await listPage(rows, query, {
        fields: {
          id: ['id', 'integer'],
          name: ['name', 'text'],
          description: ['description', 'text'],
          creator: ['creator', 'text'],
          disabled: ['disabled', 'flag'],
          createdAt: ['created_at', 'time'],
        },
        order: { column: 'id', descending: false },
      });
      const names = await projectNames(read);
      return { items: items.map((row) => robotOf(row, names)), total };
    },

    update: (id, wanted, giver) =>
      change(database, { id, giver, at: now() }, (transaction, changing) =>
        columnsOf(transaction, changing, { wanted, giver }),
      ),

    async changeSecret(id, secret, giver) {
      if (secret !== undefined) assertPassword(secret);
      const made = secret === undefined ? generateSecret() : undefined;
      const secret_hash = hashSecret(secret ?? made ?? '');
      const at = now();
      await change(database, { id, giver, at, what: 'secret' }, async () => {
        return { secret_hash, valid_from: at };
      });
      return made;
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const robot = await described(transaction, await findRobot(transaction, id));
        await transaction.deleteFrom('robots').where('id', '=', id).execute();
        await noteRobot(transaction, actor, { robot, operation: 'delete', at: now() });
      });
    },
  };
}

async function createRobot(
  database: Database,
  robot: NewRobot,
  giver: Giver,
  now: () => number,
): Promise<{ readonly robot: Robot; readonly secret: string }> {
  const { subject, actor } = giver;
  const { name, level, description, durationDays, disabled, permissions } = robot;
  assertRobotName(name);
  assertDays(durationDays);
  if (robot.secret !== undefined) assertPassword(robot.secret);
  const secret = robot.secret ?? generateSecret();
  return database.write(async (transaction) => {
    const grants = await grantsIn(transaction, permissions);
    assertGrants(subject, { level, grants });
    const [first] = grants;
    const project =
      level === 'project' && first?.kind === 'project' && first.project !== '*'
        ? first.project
        : null;
    await refuseTaken(transaction, name, project);
    const at = now();
    const row = await transaction
      .insertInto('robots')
      .values({
        name,
        project,
        description,
        secret_hash: hashSecret(secret),
        permissions: JSON.stringify(grants),
        ...lifetime(at, durationDays, giver),
        disabled: disabled ? 1 : 0,
        creator: actor.name,
        // Tokens of another that had the name are not this one's.
        valid_from: at,
        created_at: at,
        updated_at: at,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    const created = await described(transaction, row);
    await noteRobot(transaction, actor, { robot: created, operation: 'create', at });
    return { robot: created, secret };
  });
}

interface Changing {
  readonly row: RobotColumns;
  readonly level: RobotLevel;
  readonly at: number;
}

/** @throws ManagementError FORBIDDEN where the robot has something the giver does not have: it could become it */
async function change(
  database: Database,
  asked: {
    readonly id: number;
    readonly giver: Giver;
    readonly at: number;
    readonly what?: string;
  },
  decide: (transaction: WriteTransaction, changing: Changing) => Promise<Partial<RobotColumns>>,
): Promise<void> {
  const { id, giver, at, what } = asked;
  await database.write(async (transaction) => {
    const row = await findRobot(transaction, id);
    assertGiven(giver.subject, grantsOf(row.permissions));
    const level = row.project === null ? 'system' : 'project';
    const set = await decide(transaction, { row, level, at });
    await transaction
      .updateTable('robots')
      .set({ ...set, updated_at: at })
      .where('id', '=', id)
      .execute();
    const robot = await described(transaction, row);
    await noteRobot(transaction, giver.actor, { robot, operation: 'update', at, detail: what });
  });
}

async function columnsOf(
  transaction: WriteTransaction,
  { row, level, at }: Changing,
  { wanted, giver }: { readonly wanted: RobotChange; readonly giver: Giver },
): Promise<Partial<RobotColumns>> {
  const { description = row.description, durationDays = row.duration_days, disabled } = wanted;
  assertDays(durationDays);
  const { permissions } = await described(transaction, row);
  // Those of projects that are gone are not shown, and nobody has to give them again.
  const isGiven = wanted.permissions !== undefined && !isSame(wanted.permissions, permissions);
  const grants = isGiven ? await grantsIn(transaction, wanted.permissions) : undefined;
  if (grants !== undefined) {
    assertGrants(giver.subject, { level, grants, project: row.project });
  }
  return {
    description,
    ...(durationDays === row.duration_days ? {} : lifetime(row.created_at, durationDays, giver)),
    ...(grants === undefined ? {} : { permissions: JSON.stringify(grants) }),
    ...(disabled === undefined ? {} : { disabled: disabled ? 1 : 0 }),
    ...(disabled === true ? { valid_from: at } : {}),
  };
}

function isSame(one: readonly RobotPermission[], other: readonly RobotPermission[]): boolean {
  const [plain, plainOther] = [one, other].map((permissions) =>
    permissions.map(({ kind, namespace, access }) => ({
      kind,
      namespace,
      access: access.map(({ resource, action }) => ({ resource, action })),
    })),
  );
  return isDeepStrictEqual(plain, plainOther);
}

function assertDays(days: number): void {
  if (Number.isInteger(days) && (days === -1 || (days > 0 && days <= MOST_DAYS))) return;
  const message = `a robot lasts for 1 to ${MOST_DAYS} days, or for ever, which is -1`;
  throw new ManagementError('BAD_REQUEST', message);
}

function assertGrants(
  subject: Subject,
  wanted: {
    readonly level: RobotLevel;
    readonly grants: readonly RobotGrant[];
    /** Of a robot that has one. */
    readonly project?: number | null;
  },
): void {
  const { level, grants, project } = wanted;
  const why = refusedGrants(level, grants);
  if (why !== undefined) throw new ManagementError('BAD_REQUEST', why);
  if (typeof project === 'number' && !rightsOf(grants).projects.has(project)) {
    throw new ManagementError('BAD_REQUEST', 'a project robot stays in its project');
  }
  assertGiven(subject, grants);
}

function assertGiven(subject: Subject, grants: readonly RobotGrant[]): void {
  if (mayGive(subject, rightsOf(grants))) return;
  throw new ManagementError('FORBIDDEN', 'a robot gives only what it has itself');
}

/** So many days, but only until its giver ends; the days are rounded up then. */
function lifetime(createdAt: number, days: number, giver: Pick<Giver, 'expiresAt'>) {
  const end = days === -1 ? undefined : Math.min(createdAt + days * DAY_MS, END_OF_TIME);
  const { expiresAt } = giver;
  if (expiresAt === undefined || (end !== undefined && end <= expiresAt)) {
    return { duration_days: days, expires_at: end ?? null };
  }
  const left = Math.ceil((expiresAt - createdAt) / DAY_MS);
  return { duration_days: Math.max(left, 1), expires_at: expiresAt };
}

async function refuseTaken(
  transaction: WriteTransaction,
  name: string,
  project: number | null,
): Promise<void> {
  const taken = await transaction
    .selectFrom('robots')
    .select('id')
    .where('name', '=', name)
    .where('project', project === null ? 'is' : '=', project)
    .executeTakeFirst();
  if (taken !== undefined) throw new ManagementError('CONFLICT', `there is a robot ${name}`);
}

async function noteRobot(
  transaction: WriteTransaction,
  actor: Actor,
  done: {
    readonly robot: Robot;
    readonly operation: 'create' | 'update' | 'delete';
    readonly at: number;
    readonly detail?: string | undefined;
  },
): Promise<void> {
  const { robot, operation, at, detail } = done;
  const project = robot.project?.id;
  const note = { operation, at, resourceType: 'robot', resource: robot.fullName } as const;
  await noteChange(transaction, actor, { ...note, project, detail });
}
