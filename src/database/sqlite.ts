import { DatabaseSync } from 'node:sqlite';
import { Kysely, SqliteDialect } from 'kysely';
import { OciError } from '../oci/error.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import type { Database } from './database.ts';
import { Revision } from './revision.ts';
import { isSqliteError, SQLITE_FULL } from './sqlite-errors.ts';
import { cachingStatements } from './sqlite-statements.ts';
import type { Tables } from './tables.ts';
import { Writer } from './writer.ts';

/** The log is copied into the database this often. Between two, it grows by what is written. */
const CHECKPOINT_EVERY_MS = 10_000;
/** A log that grew larger than this is cut back at its next restart. Bytes. */
const LOG_LIMIT = 64 * 1024 * 1024;
/** How long a lock of another process (a checkpoint, a backup) is waited for. */
const BUSY_MS = 5000;

export interface SqliteOptions {
  /** Made if it is not there. */
  readonly file: string;
}

/**
 * Opens a database file, as it is: `migrate` makes its tables. Three connections: the writer, the reader, and an
 * observer that writes nothing, so that it sees every commit, and checkpoints outside of anybody's commit.
 */
export async function openSqlite({ file }: SqliteOptions): Promise<Database> {
  using opened = new DisposableStack();
  const connect = (readOnly: boolean): DatabaseSync => {
    const connection = new DatabaseSync(file, { readOnly, timeout: BUSY_MS });
    opened.defer(() => {
      if (connection.isOpen) connection.close();
    });
    return connection;
  };

  const writing = connect(false);
  const mode = writing.prepare('pragma journal_mode = wal').get()?.['journal_mode'];
  if (mode !== 'wal')
    throw new Error(`${file} cannot have a write-ahead log: is it on a local filesystem?`);
  writing.exec('pragma synchronous = full');
  writing.exec('pragma wal_autocheckpoint = 0');
  writing.exec(`pragma journal_size_limit = ${LOG_LIMIT}`);
  const observing = connect(false);
  observing.exec('pragma synchronous = full');
  const reading = connect(true);

  const revision = new Revision(observing);
  const writeQueries = queries(beginningImmediately(writing));
  const writer = new Writer(writeQueries, () => revision.forget());
  const read = queries(cachingStatements(reading));
  const timer = setInterval(() => checkpoint(observing), CHECKPOINT_EVERY_MS);
  timer.unref();
  const connections = opened.move();

  return {
    read,
    write: (work) => writer.write(work).catch(refused),
    revision: () => revision.current(),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await writer[Symbol.asyncDispose]();
      // The last to close copies the log into the database, and only the writer may.
      await read.destroy();
      connections.dispose();
    },
  };
}

function queries(database: ReturnType<typeof cachingStatements>): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
}

/** Kysely begins transactions deferred: such a one can find at its first write that another process was faster. */
function beginningImmediately(connection: DatabaseSync): ReturnType<typeof cachingStatements> {
  const statements = cachingStatements(connection);
  return {
    ...statements,
    prepare: (sql) => statements.prepare(sql === 'begin' ? 'begin immediate' : sql),
  };
}

/** Passive: waits for nobody, and leaves to the next one what a reader still needs. */
function checkpoint(connection: DatabaseSync): void {
  try {
    connection.exec('pragma wal_checkpoint(passive)');
  } catch (error) {
    if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work: 'checkpoint', error });
  }
}

/** @throws OciError STORAGE_FULL where there was no room, else the error itself */
function refused(error: unknown): never {
  if (isSqliteError(error, SQLITE_FULL)) throw new OciError('STORAGE_FULL', { cause: error });
  throw error;
}
