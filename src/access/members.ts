import { sql } from 'kysely';
import type { Role } from '../../policies/access.ts';
import type { Actor } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import { noteChange } from './changes.ts';
import type { GroupKind } from './groups.ts';

/** A user, or a group of them, who has a role in a project. */
export interface Member {
  readonly id: number;
  readonly kind: 'user' | 'group';
  /** Of the user or the group. */
  readonly entityId: number;
  readonly name: string;
  readonly role: Role;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Whom somebody means, by id or by name. */
export type MemberReference =
  | { readonly user: { readonly id: number } | { readonly name: string } }
  | {
      readonly group: { readonly id: number } | { readonly name: string; readonly kind: GroupKind };
    };

/** Who may what in a project. What throws a ManagementError has changed nothing. */
export interface Members {
  /**
   * @throws ManagementError NOT_FOUND for a user, group or project that is not there, CONFLICT for one who is a member
   */
  add(project: number, who: MemberReference, role: Role, actor: Actor): Promise<Member>;
  /** By name. Fields: `id`, `kind`, `entityId`, `name`, `role`. */
  list(project: number, query: ListQuery): Promise<Listed<Member>>;
  /** @throws ManagementError NOT_FOUND for a member of another project, too, as all do that take an id */
  get(project: number, id: number): Promise<Member>;
  changeRole(project: number, id: number, role: Role, actor: Actor): Promise<void>;
  remove(project: number, id: number, actor: Actor): Promise<void>;
}

export function createMembers(database: Database, { now }: { now: () => number }): Members {
  return {
    add: (project, who, role, actor) =>
      database.write(async (transaction) => {
        await assertProject(transaction, project);
        const { id, name } = await insertMember(transaction, { project, who, role, at: now() });
        const note = { operation: 'create', resource: name, project, at: now() } as const;
        await noteChange(transaction, actor, { ...note, resourceType: 'member', detail: role });
        return readMember(transaction, project, id);
      }),

    list(project, query) {
      // Equal names are possible: a user's and a group's.
      const sort = [...query.sort, { field: 'name', descending: false }];
      return listPage(
        membersIn(database.read, project),
        { ...query, sort },
        {
          fields: {
            id: ['members.id', 'integer'],
            kind: ['members.kind', 'text'],
            entityId: ['members.entityId', 'integer'],
            name: ['members.name', 'text'],
            role: ['members.role', 'text'],
          },
          order: { column: 'members.id', descending: false },
        },
      );
    },

    get: (project, id) => readMember(database.read, project, id),

    async changeRole(project, id, role, actor) {
      await database.write(async (transaction) => {
        const { name: resource } = await readMember(transaction, project, id);
        const at = now();
        await transaction
          .updateTable('project_members')
          .set({ role, updated_at: at })
          .where('id', '=', id)
          .execute();
        const note = { operation: 'update', resource, project, at, detail: role } as const;
        await noteChange(transaction, actor, { ...note, resourceType: 'member' });
      });
    },

    async remove(project, id, actor) {
      await database.write(async (transaction) => {
        const { name: resource } = await readMember(transaction, project, id);
        await transaction.deleteFrom('project_members').where('id', '=', id).execute();
        const note = { operation: 'delete', resource, project, at: now() } as const;
        await noteChange(transaction, actor, { ...note, resourceType: 'member' });
      });
    },
  };
}

/** @throws ManagementError NOT_FOUND, CONFLICT */
async function insertMember(
  transaction: WriteTransaction,
  member: {
    readonly project: number;
    readonly who: MemberReference;
    readonly role: Role;
    readonly at: number;
  },
) {
  const { project, who, role, at } = member;
  const column = 'user' in who ? 'user_id' : 'user_group';
  const { id: entity, name } = await entityOf(transaction, who);
  const twice = await transaction
    .selectFrom('project_members')
    .select('id')
    .where('project', '=', project)
    .where(column, '=', entity)
    .executeTakeFirst();
  if (twice !== undefined) throw new ManagementError('CONFLICT', `${name} is a member`);
  const { id } = await transaction
    .insertInto('project_members')
    .values({ project, [column]: entity, role, created_at: at, updated_at: at })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id, name };
}

/** With the names of those whom they are. */
function membersIn(queries: Queries, project: number) {
  return queries
    .selectFrom((from) =>
      from
        .selectFrom('project_members')
        .leftJoin('users', 'users.id', 'project_members.user_id')
        .leftJoin('user_groups', 'user_groups.id', 'project_members.user_group')
        .select((row) => [
          'project_members.id',
          'role',
          'project_members.created_at as createdAt',
          'project_members.updated_at as updatedAt',
          row.fn.coalesce('users.name', 'user_groups.name', row.val('')).as('name'),
          row.fn.coalesce('user_id', 'user_group', row.lit(0)).as('entityId'),
          sql<Member['kind']>`case when user_id is null then 'group' else 'user' end`.as('kind'),
        ])
        .where('project', '=', project)
        .as('members'),
    )
    .selectAll();
}

async function readMember(queries: Queries, project: number, id: number): Promise<Member> {
  const member = await membersIn(queries, project).where('id', '=', id).executeTakeFirst();
  if (member === undefined) throw new ManagementError('NOT_FOUND', `there is no member ${id}`);
  return member;
}

async function assertProject(transaction: WriteTransaction, id: number): Promise<void> {
  const project = await transaction
    .selectFrom('projects')
    .select('id')
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (project === undefined) throw new ManagementError('NOT_FOUND', `there is no project ${id}`);
}

async function entityOf(transaction: WriteTransaction, who: MemberReference) {
  const found = await ('user' in who
    ? userOf(transaction, who.user)
    : groupOf(transaction, who.group));
  if (found !== undefined) return found;
  const [kind, wanted] = 'user' in who ? ['user', who.user] : ['group', who.group];
  const name = 'id' in wanted ? wanted.id : wanted.name;
  throw new ManagementError('NOT_FOUND', `there is no ${kind} ${name}`);
}

function userOf(
  transaction: WriteTransaction,
  user: { readonly id: number } | { readonly name: string },
) {
  const rows = transaction.selectFrom('users').select(['id', 'name']);
  return (
    'id' in user ? rows.where('id', '=', user.id) : rows.where('name', '=', user.name)
  ).executeTakeFirst();
}

function groupOf(
  transaction: WriteTransaction,
  group: { readonly id: number } | { readonly name: string; readonly kind: GroupKind },
) {
  const rows = transaction.selectFrom('user_groups').select(['id', 'name']);
  return (
    'id' in group
      ? rows.where('id', '=', group.id)
      : rows.where('name', '=', group.name).where('kind', '=', group.kind)
  ).executeTakeFirst();
}
