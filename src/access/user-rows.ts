/** Users as rows, and as the rest of this room has them. */
import type { Selectable } from 'kysely';
import type { UserRow } from '../database/access-tables.ts';
import type { Queries } from '../database/database.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { UserProfile } from './user-rules.ts';

export interface User {
  readonly id: number;
  readonly name: string;
  /** Unique; undefined for the built-in admin until somebody gives it one. */
  readonly email: string | undefined;
  readonly realName: string;
  readonly comment: string;
  readonly isAdmin: boolean;
  readonly disabled: boolean;
  /** Milliseconds UTC, as are the others; late by a minute at most. */
  readonly lastLoginAt: number | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** @throws ManagementError NOT_FOUND */
export async function findUser(queries: Queries, id: number): Promise<Selectable<UserRow>> {
  const row = await queries.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `there is no user ${id}`);
  return row;
}

/** @throws ManagementError CONFLICT where somebody else has the name or the email */
export async function refuseTaken(
  queries: Queries,
  { name, email }: { readonly name?: string; readonly email: string },
  except = 0,
): Promise<void> {
  const taken = await queries
    .selectFrom('users')
    .select('name')
    .where('id', '<>', except)
    .where((row) => row.or([row('name', '=', name ?? ''), row('email', '=', email)]))
    .executeTakeFirst();
  if (taken === undefined) return;
  const what = taken.name === name ? `the name ${name}` : 'that email address';
  throw new ManagementError('CONFLICT', `there is a user with ${what}`);
}

/** Fields as `Users.list` names them. @throws ManagementError BAD_REQUEST */
export async function listUsers(queries: Queries, query: ListQuery): Promise<Listed<User>> {
  const { items, total } = await listPage(queries.selectFrom('users').selectAll(), query, {
    fields: {
      id: ['id', 'integer'],
      name: ['name', 'text'],
      email: ['email', 'text'],
      realName: ['real_name', 'text'],
      comment: ['comment', 'text'],
      isAdmin: ['admin', 'flag'],
      disabled: ['disabled', 'flag'],
      createdAt: ['created_at', 'time'],
      updatedAt: ['updated_at', 'time'],
    },
    order: { column: 'name', descending: false },
  });
  return { items: items.map(userOf), total };
}

export function userOf(row: Selectable<UserRow>): User {
  return {
    id: row.id,
    name: row.name,
    email: row.email ?? undefined,
    realName: row.real_name,
    comment: row.comment,
    isAdmin: row.admin === 1,
    disabled: row.disabled === 1,
    lastLoginAt: row.last_login_at ?? undefined,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function columnsOf({ email, realName, comment }: UserProfile) {
  return { email, real_name: realName, comment };
}
