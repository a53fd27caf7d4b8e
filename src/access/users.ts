import type { Database } from '../database/database.ts';
import type { UserRow } from '../database/tables.ts';
import { generatePassword, hashPassword, isPassword } from './passwords.ts';

const ADMIN = 'admin';

export interface User {
  readonly name: string;
  readonly passwordHash: string;
  readonly isAdmin: boolean;
}

export interface Users {
  find(name: string): Promise<User | undefined>;
  /**
   * Makes sure that there is an `admin`: with `password` if one is configured, else with the one it has, else with a
   * generated one. Only the hash is kept.
   *
   * @returns the generated password, the only time that anybody can see it
   */
  ensureAdmin(password: string | undefined): Promise<string | undefined>;
}

export function createUsers(database: Database, options: { now: () => number }): Users {
  let seen = { revision: -1, users: new Map<string, User>() };

  async function find(name: string): Promise<User | undefined> {
    const revision = database.revision();
    if (seen.revision !== revision) {
      const rows = await database.read.selectFrom('users').selectAll().execute();
      seen = { revision, users: new Map(rows.map((row) => [row.name, userOf(row)])) };
    }
    return seen.users.get(name);
  }

  return {
    find,

    async ensureAdmin(password) {
      const admin = await find(ADMIN);
      if (admin !== undefined) {
        if (password === undefined || (await isPassword(password, admin.passwordHash))) {
          return undefined;
        }
        const password_hash = await hashPassword(password);
        await database.write((transaction) =>
          transaction
            .updateTable('users')
            .set({ password_hash, updated_at: options.now() })
            .where('name', '=', ADMIN)
            .execute(),
        );
        return undefined;
      }
      const generated = password === undefined ? generatePassword() : undefined;
      const password_hash = await hashPassword(password ?? generated ?? '');
      const at = options.now();
      await database.write((transaction) =>
        transaction
          .insertInto('users')
          .values({ name: ADMIN, password_hash, admin: 1, created_at: at, updated_at: at })
          .execute(),
      );
      return generated;
    },
  };
}

function userOf(row: Omit<UserRow, 'id'>): User {
  return { name: row.name, passwordHash: row.password_hash, isAdmin: row.admin === 1 };
}
