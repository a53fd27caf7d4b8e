import type { Selectable } from 'kysely';
import type { Actor } from '../audit/audit.ts';
import type { UserGroupRow } from '../database/access-tables.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import { noteChange } from './changes.ts';

/** Which kind of identity provider knows the group. */
export type GroupKind = UserGroupRow['kind'];

export interface NewGroup {
  readonly name: string;
  readonly kind: GroupKind;
  /** The distinguished name, of an LDAP group. */
  readonly ldapDn?: string | undefined;
}

export interface Group extends NewGroup {
  readonly id: number;
  /** Milliseconds UTC. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** People who get their roles together. What throws a ManagementError has changed nothing. */
export interface Groups {
  /** @throws ManagementError BAD_REQUEST, or CONFLICT where the kind has one of the name or of the DN */
  create(group: NewGroup, actor: Actor): Promise<Group>;
  /** @throws ManagementError NOT_FOUND, as all do that take an id */
  get(id: number): Promise<Group>;
  /** The oldest first. Fields: `id`, `name`, `kind`, `ldapDn`. */
  list(query: ListQuery): Promise<Listed<Group>>;
  /** @throws ManagementError BAD_REQUEST, CONFLICT */
  rename(id: number, name: string, actor: Actor): Promise<void>;
  /** Its members lose what they were allowed by it. */
  remove(id: number, actor: Actor): Promise<void>;
  /** Whether the user is in it. @throws ManagementError NOT_FOUND for the user, too */
  setMember(id: number, member: GroupMember, actor: Actor): Promise<void>;
}

export interface GroupMember {
  /** The user's id. */
  readonly user: number;
  readonly isIn: boolean;
}

const LONGEST_NAME = 255;

export function createGroups(database: Database, { now }: { now: () => number }): Groups {
  return {
    async create({ name, kind, ldapDn }, actor) {
      assertName(name);
      const isLdap = kind === 'ldap';
      if (isLdap === (ldapDn === undefined || ldapDn === '')) {
        throw new ManagementError('BAD_REQUEST', 'an LDAP group, and no other, has a DN');
      }
      return database.write(async (transaction) => {
        await refuseTaken(transaction, { name, kind, ldapDn });
        const at = now();
        const row = { name, kind, ldap_dn: ldapDn ?? null, created_at: at, updated_at: at };
        const created = await transaction
          .insertInto('user_groups')
          .values(row)
          .returningAll()
          .executeTakeFirstOrThrow();
        await noteGroup(transaction, actor, { operation: 'create', resource: name, at });
        return groupOf(created);
      });
    },

    get: async (id) => groupOf(await rowOf(database.read, id)),

    list: (query) => listGroups(database, query),

    async rename(id, name, actor) {
      assertName(name);
      await database.write(async (transaction) => {
        const { kind, name: before } = await rowOf(transaction, id);
        await refuseTaken(transaction, { name, kind }, id);
        const at = now();
        await transaction
          .updateTable('user_groups')
          .set({ name, updated_at: at })
          .where('id', '=', id)
          .execute();
        await noteGroup(transaction, actor, {
          operation: 'update',
          resource: name,
          at,
          detail: `was ${before}`,
        });
      });
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const { name } = await rowOf(transaction, id);
        await transaction.deleteFrom('user_groups').where('id', '=', id).execute();
        await noteGroup(transaction, actor, { operation: 'delete', resource: name, at: now() });
      });
    },

    setMember: (id, member, actor) =>
      database.write((transaction) =>
        setMember(transaction, { ...member, group: id }, { actor, at: now() }),
      ),
  };
}

async function listGroups({ read }: Database, query: ListQuery): Promise<Listed<Group>> {
  const { items, total } = await listPage(read.selectFrom('user_groups').selectAll(), query, {
    fields: {
      id: ['id', 'integer'],
      name: ['name', 'text'],
      kind: ['kind', 'text'],
      ldapDn: ['ldap_dn', 'text'],
    },
    order: { column: 'id', descending: false },
  });
  return { items: items.map(groupOf), total };
}

async function setMember(
  transaction: WriteTransaction,
  { group, user, isIn }: GroupMember & { readonly group: number },
  { actor, at }: { readonly actor: Actor; readonly at: number },
): Promise<void> {
  const { name: resource } = await rowOf(transaction, group);
  const member = await transaction
    .selectFrom('users')
    .select('name')
    .where('id', '=', user)
    .executeTakeFirst();
  if (member === undefined) throw new ManagementError('NOT_FOUND', `there is no user ${user}`);
  if (isIn) {
    await transaction
      .insertInto('user_group_members')
      .values({ user_id: user, user_group: group })
      .onConflict((row) => row.doNothing())
      .execute();
  } else {
    await transaction
      .deleteFrom('user_group_members')
      .where('user_id', '=', user)
      .where('user_group', '=', group)
      .execute();
  }
  const detail = `${isIn ? 'with' : 'without'} ${member.name}`;
  await noteGroup(transaction, actor, { operation: 'update', resource, at, detail });
}

async function rowOf(queries: Queries, id: number) {
  const row = await queries
    .selectFrom('user_groups')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `there is no user group ${id}`);
  return row;
}

function assertName(name: string): void {
  if (name.trim() !== '' && name.length <= LONGEST_NAME) return;
  throw new ManagementError('BAD_REQUEST', `a group's name has 1 to ${LONGEST_NAME} characters`);
}

async function refuseTaken(
  transaction: WriteTransaction,
  { name, kind, ldapDn }: NewGroup,
  except = 0,
): Promise<void> {
  const taken = await transaction
    .selectFrom('user_groups')
    .select('name')
    .where('id', '<>', except)
    .where('kind', '=', kind)
    .where((row) => row.or([row('name', '=', name), row('ldap_dn', '=', ldapDn ?? '')]))
    .executeTakeFirst();
  if (taken === undefined) return;
  const what = taken.name === name ? `the name ${name}` : 'that DN';
  throw new ManagementError('CONFLICT', `there is a ${kind} group with ${what}`);
}

function noteGroup(
  transaction: WriteTransaction,
  actor: Actor,
  note: Omit<Parameters<typeof noteChange>[2], 'resourceType'>,
): Promise<void> {
  return noteChange(transaction, actor, { ...note, resourceType: 'user-group' });
}

function groupOf(row: Selectable<UserGroupRow>): Group {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    ldapDn: row.ldap_dn ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
