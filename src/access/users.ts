import type { Selectable, Updateable } from 'kysely';
import type { Role } from '../../policies/access.ts';
import type { Actor } from '../audit/audit.ts';
import type { UserRow } from '../database/access-tables.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { Flag } from '../database/flag.ts';
import { type Listed, type ListQuery, listPage } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import { rolesOf } from './accounts.ts';
import { noteChange } from './changes.ts';
import { PasswordChecks } from './password-checks.ts';
import { generatePassword, hashPassword, isPassword } from './passwords.ts';
import { endRefreshTokens } from './refresh-tokens.ts';
import {
  assertPassword,
  assertProfile,
  assertUserName,
  type ProfileChange,
  type UserProfile,
} from './user-rules.ts';

const ADMIN = 'admin';
/** Of the first user of a database, who stays and stays an admin, so that there always is one. */
const ADMIN_ID = 1;
const USER = { resourceType: 'user' } as const;

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

export interface NewUser extends UserProfile {
  readonly name: string;
  readonly password: string;
}

export interface NewPassword {
  readonly password: string;
  /** Has to be right where it is given: people who change their own give it. */
  readonly current?: string | undefined;
}

/** Who has a password here. What throws a ManagementError has changed nothing. */
export interface Users {
  /**
   * Makes sure that there is an `admin`: with `password` if one is configured, else with the one it has, else with a
   * generated one. Only the hash is kept.
   *
   * @returns the generated password, the only time that anybody can see it
   */
  ensureAdmin(password: string | undefined): Promise<string | undefined>;
  /** @throws ManagementError BAD_REQUEST, or CONFLICT where somebody has the name or the email */
  create(user: NewUser, actor: Actor): Promise<User>;
  /** @throws ManagementError NOT_FOUND, as all do that take an id */
  get(id: number): Promise<User>;
  /** By project; one's own and those of one's groups. Of nobody there are none. */
  roles(id: number): Promise<ReadonlyMap<number, readonly Role[]>>;
  /**
   * By name, the built-in admin (id 1) among them. Fields: `id`, `name`, `email`, `realName`, `comment`, `isAdmin`,
   * `disabled`, `createdAt`, `updatedAt`.
   */
  list(query: ListQuery): Promise<Listed<User>>;
  /** What is left out stays. @throws ManagementError BAD_REQUEST, or CONFLICT where somebody else has the email */
  updateProfile(id: number, profile: ProfileChange, actor: Actor): Promise<void>;
  /** @throws ManagementError FORBIDDEN for the built-in admin, who stays one */
  setAdmin(id: number, isAdmin: boolean, actor: Actor): Promise<void>;
  /**
   * Tokens and sessions from before are void.
   *
   * @throws ManagementError FORBIDDEN for a wrong current password, BAD_REQUEST for one that is not new; OciError
   *   TOOMANYREQUESTS when many are being checked
   */
  changePassword(id: number, change: NewPassword, actor: Actor): Promise<void>;
  /**
   * A disabled user cannot sign in, and its tokens, refresh tokens and sessions are void, also once it is enabled again.
   * Robots that it made stay: they are nobody's.
   *
   * @throws ManagementError FORBIDDEN for the built-in admin
   */
  setDisabled(id: number, disabled: boolean, actor: Actor): Promise<void>;
  /** The user's tokens, refresh tokens and sessions are void; the password stays good. */
  signOut(id: number, actor: Actor): Promise<void>;
  /** @throws ManagementError FORBIDDEN for the built-in admin, and for oneself */
  remove(id: number, actor: Actor): Promise<void>;
}

interface Options {
  /** Milliseconds UTC. */
  readonly now: () => number;
  readonly checks?: PasswordChecks;
}

export function createUsers(database: Database, options: Options): Users {
  const { now, checks = new PasswordChecks() } = options;
  return {
    ensureAdmin: (password) => ensureAdmin(database, password, now),

    create: (user, actor) => createUser(database, user, actor, now),

    get: async (id) => userOf(await rowOf(database.read, id)),
    roles: (id) => rolesOf(database.read, id),
    list: (query) => listUsers(database, query),

    updateProfile(id, { email, realName, comment }, actor) {
      return change(database, { id, actor, at: now() }, async (transaction, row) => {
        const profile = {
          email: email ?? row.email ?? '',
          realName: realName ?? row.real_name,
          comment: comment ?? row.comment,
        };
        assertProfile(profile);
        await refuseTaken(transaction, profile, id);
        return { set: columnsOf(profile), detail: 'profile' };
      });
    },

    setAdmin(id, isAdmin, actor) {
      return change(database, { id, actor, at: now() }, async () => {
        if (!isAdmin) refuseBuiltIn(id, 'stays an admin');
        return { set: { admin: flag(isAdmin) }, detail: isAdmin ? 'made admin' : 'no admin' };
      });
    },

    changePassword: (id, password, actor) =>
      changePassword({ database, checks, now }, id, password, actor),

    setDisabled(id, disabled, actor) {
      const at = now();
      return change(database, { id, actor, at }, async (transaction) => {
        if (disabled) {
          refuseBuiltIn(id, 'cannot be disabled');
          await endRefreshTokens(transaction, id);
        }
        const set = { disabled: flag(disabled), ...(disabled ? { valid_from: at } : {}) };
        return { set, detail: disabled ? 'disabled' : 'enabled' };
      });
    },

    signOut(id, actor) {
      const at = now();
      return change(database, { id, actor, at }, async (transaction) => {
        await endRefreshTokens(transaction, id);
        return { set: { valid_from: at }, detail: 'signed out' };
      });
    },

    async remove(id, actor) {
      await database.write(async (transaction) => {
        const { name } = await rowOf(transaction, id);
        refuseBuiltIn(id, 'cannot be deleted');
        if (name === actor.name)
          throw new ManagementError('FORBIDDEN', 'nobody deletes themselves');
        await transaction.deleteFrom('users').where('id', '=', id).execute();
        const at = now();
        await noteChange(transaction, actor, { operation: 'delete', resource: name, ...USER, at });
      });
    },
  };
}

async function createUser(
  database: Database,
  { name, password, ...profile }: NewUser,
  actor: Actor,
  now: () => number,
): Promise<User> {
  assertUserName(name);
  assertPassword(password);
  assertProfile(profile);
  const password_hash = await hashPassword(password);
  return database.write(async (transaction) => {
    await refuseTaken(transaction, { name, ...profile });
    const at = now();
    // Tokens of somebody else who had the name are not this one's.
    const times = { valid_from: at, created_at: at, updated_at: at };
    const created = await transaction
      .insertInto('users')
      .values({ name, ...columnsOf(profile), ...times, password_hash, admin: 0 })
      .returningAll()
      .executeTakeFirstOrThrow();
    await noteChange(transaction, actor, { operation: 'create', resource: name, ...USER, at });
    return userOf(created);
  });
}

async function ensureAdmin(
  database: Database,
  password: string | undefined,
  now: () => number,
): Promise<string | undefined> {
  const admin = await database.read
    .selectFrom('users')
    .select(['id', 'password_hash as passwordHash'])
    .where('name', '=', ADMIN)
    .executeTakeFirst();
  if (admin !== undefined) {
    if (password === undefined || (await isPassword(password, admin.passwordHash))) {
      return undefined;
    }
    const password_hash = await hashPassword(password);
    const at = now();
    await database.write(async (transaction) => {
      await transaction
        .updateTable('users')
        .set({ password_hash, valid_from: at, updated_at: at })
        .where('name', '=', ADMIN)
        .execute();
      await endRefreshTokens(transaction, admin.id);
    });
    return undefined;
  }
  const generated = password === undefined ? generatePassword() : undefined;
  const password_hash = await hashPassword(password ?? generated ?? '');
  const at = now();
  await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values({ name: ADMIN, password_hash, admin: 1, created_at: at, updated_at: at })
      .execute(),
  );
  return generated;
}

async function changePassword(
  { database, checks, now }: Required<Options> & { readonly database: Database },
  id: number,
  { password, current }: NewPassword,
  actor: Actor,
): Promise<void> {
  const { password_hash: before } = await rowOf(database.read, id);
  if (current !== undefined && !(await checks.matches(current, before))) {
    throw new ManagementError('FORBIDDEN', 'the current password is not that');
  }
  assertPassword(password);
  if (await checks.matches(password, before)) {
    throw new ManagementError('BAD_REQUEST', 'the new password is the one there was');
  }
  const password_hash = await hashPassword(password);
  const at = now();
  await change(database, { id, actor, at }, async (transaction, row) => {
    if (current !== undefined && row.password_hash !== before) {
      throw new ManagementError('FORBIDDEN', 'the password was changed meanwhile');
    }
    await endRefreshTokens(transaction, id);
    return { set: { password_hash, valid_from: at }, detail: 'password' };
  });
}

function listUsers({ read }: Database, query: ListQuery): Promise<Listed<User>> {
  return listPage(read.selectFrom('users').selectAll(), query, {
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
  }).then(({ items, total }) => ({ items: items.map(userOf), total }));
}

interface Change {
  readonly set: Updateable<UserRow>;
  /** What of the user changed, for the audit log. */
  readonly detail: string;
}

async function change(
  database: Database,
  { id, actor, at }: { readonly id: number; readonly actor: Actor; readonly at: number },
  decide: (transaction: WriteTransaction, row: Selectable<UserRow>) => Promise<Change>,
): Promise<void> {
  await database.write(async (transaction) => {
    const row = await rowOf(transaction, id);
    const { set, detail } = await decide(transaction, row);
    await transaction
      .updateTable('users')
      .set({ ...set, updated_at: at })
      .where('id', '=', id)
      .execute();
    const done = { operation: 'update', resource: row.name, ...USER, at, detail } as const;
    await noteChange(transaction, actor, done);
  });
}

async function rowOf(queries: Queries, id: number) {
  const row = await queries.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new ManagementError('NOT_FOUND', `there is no user ${id}`);
  return row;
}

async function refuseTaken(
  transaction: WriteTransaction,
  { name, email }: { readonly name?: string; readonly email: string },
  except = 0,
): Promise<void> {
  const taken = await transaction
    .selectFrom('users')
    .select('name')
    .where('id', '<>', except)
    .where((row) => row.or([row('name', '=', name ?? ''), row('email', '=', email)]))
    .executeTakeFirst();
  if (taken === undefined) return;
  const what = taken.name === name ? `the name ${name}` : 'that email address';
  throw new ManagementError('CONFLICT', `there is a user with ${what}`);
}

function refuseBuiltIn(id: number, why: string): void {
  if (id === ADMIN_ID) throw new ManagementError('FORBIDDEN', `the built-in admin ${why}`);
}

function userOf(row: Selectable<UserRow>): User {
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

function columnsOf({ email, realName, comment }: UserProfile) {
  return { email, real_name: realName, comment };
}

function flag(value: boolean): Flag {
  return value ? 1 : 0;
}
