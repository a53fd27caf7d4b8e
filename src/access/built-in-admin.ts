import type { Database } from '../database/database.ts';
import { generatePassword, hashPassword, isPassword } from './passwords.ts';
import { endRefreshTokens } from './refresh-tokens.ts';

const ADMIN = 'admin';

/** As `Users.ensureAdmin` promises. */
export async function ensureAdmin(
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
