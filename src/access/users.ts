import type { Selectable, Updateable } from 'kysely';
import type { Role } from '../../policies/access.ts';
import type { Actor } from '../audit/audit.ts';
import type { UserRow } from '../database/access-tables.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Flag } from '../database/flag.ts';
import type { Listed, ListQuery } from '../database/listing.ts';
import { ManagementError } from '../oci/management-error.ts';
import { rolesOf } from './accounts.ts';
import { ensureAdmin } from './built-in-admin.ts';
import { noteChange } from './changes.ts';
import { PasswordChecks } from './password-checks.ts';
import { hashPassword } from './passwords.ts';
import { endRefreshTokens } from './refresh-tokens.ts';
import { columnsOf, findUser, listUsers, refuseTaken, type User, userOf } from './user-rows.ts';
import {
  assertPassword,
  assertProfile,
  assertUserName,
  type ProfileChange,
  type UserProfile,
} from './user-rules.ts';

/** Of the first user of a database, who stays and stays an admin, so that there always is one. */
const ADMIN_ID = 1;
const USER = { resourceType: 'user' } as const;

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

    get: async (id) => userOf(await findUser(database.read, id)),
    roles: (id) => rolesOf(database.read, id),
    list: (query) => listUsers(database.read, query),

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
        const { name } = await findUser(transaction, id);
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

async function changePassword(
  { database, checks, now }: Required<Options> & { readonly database: Database },
  id: number,
  { password, current }: NewPassword,
  actor: Actor,
): Promise<void> {
  const { password_hash: before } = await findUser(database.read, id);
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
    const row = await findUser(transaction, id);
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

function refuseBuiltIn(id: number, why: string): void {
  if (id === ADMIN_ID) throw new ManagementError('FORBIDDEN', `the built-in admin ${why}`);
}

function flag(value: boolean): Flag {
  return value ? 1 : 0;
}
