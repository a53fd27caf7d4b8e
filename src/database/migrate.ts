import { sql } from 'kysely';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { DataTooNew } from './errors.ts';
import type { Migration } from './migration.ts';
import { initial } from './migrations/0001-initial.ts';

/** In order; the first makes version 1. */
const MIGRATIONS: readonly Migration[] = [initial];
/** The version of the tables, and of the data folder, that this program works with. */
export const LATEST_VERSION = MIGRATIONS.length;

export interface MigrateOptions {
  readonly engine: Engine;
  readonly now: () => number;
}

/**
 * Brings the tables to this program's version, one transaction for each step, so that a crash leaves a whole version.
 *
 * @throws DataTooNew and changes nothing
 */
export async function migrate(database: Database, options: MigrateOptions): Promise<void> {
  const found = await versionOf(database, options.engine);
  if (found > LATEST_VERSION) throw new DataTooNew(found, LATEST_VERSION);
  for (const [index, migration] of MIGRATIONS.entries()) {
    const version = index + 1;
    if (version <= found) continue;
    await database.write(async (transaction) => {
      const now = options.now();
      await migration.up(transaction, { engine: options.engine, now });
      await sql`insert into migrations (version, applied_at) values (${version}, ${now})`.execute(
        transaction,
      );
    });
  }
}

/** 0 for a database without tables. */
export async function versionOf(database: Database, engine: Engine): Promise<number> {
  const tables =
    engine.name === 'SQLite'
      ? sql<{ name: string }>`select name from sqlite_schema where name = 'migrations'`
      : sql<{
          name: string;
        }>`select tablename as name from pg_tables where tablename = 'migrations'`;
  if ((await tables.execute(database.read)).rows.length === 0) return 0;
  const { rows } = await sql<{
    version: number | null;
  }>`select max(version) as version from migrations`.execute(database.read);
  return rows[0]?.version ?? 0;
}
