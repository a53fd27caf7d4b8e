/** The engines that catalog and migrations run on. A test that holds for one holds for the other. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { Kysely, PGliteDialect } from 'kysely';
import { z } from 'zod';
import type { Database } from '../../src/database/database.ts';
import { POSTGRESQL, SQLITE } from '../../src/database/engine.ts';
import { migrate } from '../../src/database/migrate.ts';
import type { Migration } from '../../src/database/migration.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import type { Tables } from '../../src/database/tables.ts';
import { databaseOver } from './database-over.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export interface TestEngine {
  readonly name: 'SQLite' | 'PGlite';
  /** A migrated database of its own, gone when it is disposed; of an older version, where fewer migrations are given. */
  open(options?: OpenOptions): Promise<Database>;
  /** Brings one that was opened so to the version of now. */
  migrate(database: Database): Promise<void>;
}

interface OpenOptions {
  readonly migrations?: readonly Migration[];
}

export const databases: readonly TestEngine[] = [
  {
    name: 'SQLite',
    open: openTemporarySqlite,
    migrate: (database) => migrate(database, { engine: SQLITE, now: Date.now }),
  },
  {
    name: 'PGlite',
    open: openPglite,
    migrate: (database) => migrate(database, { engine: POSTGRESQL, now: Date.now }),
  },
];

async function openTemporarySqlite(options: OpenOptions = {}): Promise<Database> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const database = opened.use(await openSqlite({ file: join(directory.path, 'portolan.db') }));
  await migrate(database, { ...options, engine: SQLITE, now: Date.now });
  const resources = opened.move();
  return { ...database, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/**
 * Starting one takes half a second, and bringing it to the version of now a third of one, so that a process's tests
 * hand them on: without tables, or as they were when they had just been made.
 */
const idle: { readonly bare: PGlite[]; readonly migrated: PGlite[] } = { bare: [], migrated: [] };
// An open one holds the process for ten seconds more, by a timer of PostgreSQL's statistics.
after(() => Promise.all([...idle.bare, ...idle.migrated].map((engine) => engine.close())));

async function openPglite(options: OpenOptions = {}): Promise<Database> {
  await using opened = new AsyncDisposableStack();
  const isOfNow = options.migrations === undefined;
  const migrated = isOfNow ? idle.migrated.pop() : undefined;
  const engine = migrated ?? idle.bare.pop() ?? (await startPglite());
  opened.defer(async () => {
    if (isOfNow) {
      await emptyChanged(engine);
      idle.migrated.push(engine);
    } else {
      await engine.exec('drop schema public cascade; create schema public;');
      idle.bare.push(engine);
    }
  });
  const queries = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite: engine }) });
  const written = opened.use(databaseOver(queries));
  const resources = opened.move();
  const database = { ...written, [Symbol.asyncDispose]: () => resources.disposeAsync() };
  if (migrated === undefined) {
    await migrate(database, { ...options, engine: POSTGRESQL, now: Date.now });
    if (isOfNow) await keepFirstRows(engine);
  }
  return database;
}

/** Puts the rows that migrations made aside, in a schema that nobody looks into. */
async function keepFirstRows(engine: PGlite): Promise<void> {
  const tables = await tablesOf(engine);
  const copies = tables.map((table) => `create table first.${table} as table public.${table};`);
  await engine.exec(`create schema first; ${copies.join(' ')}`);
}

/** Makes what differs from the first rows be them, and identities begin anew. */
async function emptyChanged(engine: PGlite): Promise<void> {
  const tables = await tablesOf(engine);
  const differences = tables.map(
    (table) =>
      `select '${table}' as name where exists (table public.${table} except all table first.${table}) or exists (table first.${table} except all table public.${table})`,
  );
  const { rows } = await engine.query(differences.join(' union all '));
  const changed = Names.parse(rows).map(({ name }) => name);
  const restored = changed.map(
    (table) =>
      `delete from ${table}; insert into ${table} overriding system value table first.${table};`,
  );
  // Without the triggers of foreign keys, so that the order does not matter.
  await engine.exec(`
    begin; set local session_replication_role = replica; ${restored.join(' ')} commit;
    select setval(format('%I', sequencename)::regclass, start_value, false) from pg_sequences
      where schemaname = 'public' and last_value is not null;
  `);
}

async function tablesOf(engine: PGlite): Promise<readonly string[]> {
  const { rows } = await engine.query(
    "select quote_ident(tablename) as name from pg_tables where schemaname = 'public'",
  );
  return Names.parse(rows).map(({ name }) => name);
}

const Names = z.array(z.object({ name: z.string() }));

const packages = join(import.meta.dirname, '../../node_modules');

/** What `initdb` makes takes three seconds of a processor, so that the first process keeps it for all others. */
async function startPglite(): Promise<PGlite> {
  const { version } = Version.parse(
    JSON.parse(await readFile(join(packages, '@electric-sql/pglite/package.json'), 'utf8')),
  );
  const kept = join(packages, '.cache/portolan', `pglite-${version}.tar`);
  if (existsSync(kept)) {
    return PGlite.create({ loadDataDir: new Blob([await readFile(kept)]) });
  }
  const engine = await PGlite.create();
  const dump = await engine.dumpDataDir('none');
  await mkdir(dirname(kept), { recursive: true });
  const written = `${kept}.${process.pid}`;
  await writeFile(written, Buffer.from(await dump.arrayBuffer()));
  await rename(written, kept);
  return engine;
}

const Version = z.object({ version: z.string() });
