import { sql } from 'kysely';
import type { Database } from './database.ts';
import type { Engine } from './engine.ts';
import { DataTooNew } from './errors.ts';
import type { Migration, MigrationFacts } from './migration.ts';
import { initial } from './migrations/0001-initial.ts';
import { access } from './migrations/0002-access.ts';
import { management } from './migrations/0003-management.ts';
import { references } from './migrations/0004-references.ts';
import { jobs } from './migrations/0005-jobs.ts';
import { replication } from './migrations/0006-replication.ts';
import { jobsAtScale } from './migrations/0007-jobs-at-scale.ts';
import { taskEndings } from './migrations/0008-task-endings.ts';
import { leftUploads } from './migrations/0009-left-uploads.ts';
import { tasksAway } from './migrations/0010-tasks-away.ts';
import { priorities } from './migrations/0011-priorities.ts';
import { tasksAwayUntil } from './migrations/0012-tasks-away-until.ts';

/** In order; the first makes version 1 of an empty database, and the tables are of the version that the last made. */
export const MIGRATIONS: readonly Migration[] = [
  initial,
  access,
  management,
  references,
  jobs,
  replication,
  jobsAtScale,
  taskEndings,
  leftUploads,
  tasksAway,
  priorities,
  tasksAwayUntil,
];

export interface MigrateOptions {
  readonly engine: Engine;
  readonly now: () => number;
  readonly migrations?: readonly Migration[];
  /** Runs before anything of existing data changes, which is of that version. */
  readonly before?: (version: number) => Promise<void>;
}

/**
 * Brings the tables to this program's version, one transaction for each step, so that a crash leaves a whole version.
 *
 * @throws DataTooNew and changes nothing
 */
export async function migrate(
  database: Database,
  { engine, now, migrations = MIGRATIONS, before }: MigrateOptions,
): Promise<void> {
  const found = await versionOf(database, engine);
  if (found > migrations.length) throw new DataTooNew(found, migrations.length);
  if (found > 0 && found < migrations.length) await before?.(found);
  for (const [index, migration] of migrations.entries()) {
    if (index >= found)
      await step(database, { engine, now: now() }, { migration, version: index + 1 });
  }
}

async function step(
  database: Database,
  facts: MigrationFacts,
  { migration, version }: { migration: Migration; version: number },
): Promise<void> {
  await database.write(async (transaction) => {
    await migration.up(transaction, facts);
    await sql`insert into migrations (version, applied_at) values (${version}, ${facts.now})`.execute(
      transaction,
    );
  });
}

/** 0 for a database without tables. */
async function versionOf(database: Database, engine: Engine): Promise<number> {
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
