import type { Database } from '../database/database.ts';
import { generatePassword, hashPassword, isPassword } from './passwords.ts';

const ADMIN = 'admin';

export interface Users {
  /**
   * Makes sure that there is an `admin`: with `password` if one is configured, else with the one it has, else with a
   * generated one. Only the hash is kept.
   *
   * @returns the generated password, the only time that anybody can see it
   */
  ensureAdmin(password: string | undefined): Promise<string | undefined>;
}

export function createUsers(database: Database, options: { now: () => number }): Users {
  return {
    async ensureAdmin(password) {
      const admin = await database.read
        .selectFrom('users')
        .select('password_hash as passwordHash')
        .where('name', '=', ADMIN)
        .executeTakeFirst();
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
