import { chown, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely, PostgresDialect } from 'kysely';
import { Pool, types } from 'pg';
import type { Database } from '../../../src/database/database.ts';
import { POSTGRESQL } from '../../../src/database/engine.ts';
import { migrate } from '../../../src/database/migrate.ts';
import type { Tables } from '../../../src/database/tables.ts';
import { databaseOver } from '../../support/database-over.ts';
import { freePort, must, run, startDaemon } from './processes.ts';

const INSTALLED = '/usr/lib/postgresql';
const { INT8 } = types.builtins;

export interface PostgreSQL extends AsyncDisposable {
  /** As a process of its own has it: with its own writer, and its own connections. */
  connect(): Database;
}

/** A server whose database has the tables of now. The folder becomes that of the user that its package made, since it will not run as root. */
export async function startPostgresql(folder: string): Promise<PostgreSQL> {
  await using started = new AsyncDisposableStack();
  const programs = await programsOfNewest();
  const user = await idsOf('postgres');
  await chown(folder, user.uid, user.gid);
  const asUser = ['--reuid', `${user.uid}`, '--regid', `${user.gid}`, '--clear-groups', '--'];
  const [data, port] = [join(folder, 'data'), await freePort()];
  const init = ['-D', data, '-U', 'app', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8'];
  await must('setpriv', [...asUser, join(programs, 'initdb'), ...init, '--no-sync']);
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
  ];
  const server = await startDaemon(
    'setpriv',
    [
      ...asUser,
      join(programs, 'postgres'),
      '-D',
      data,
      ...settings.flatMap((each) => ['-c', each]),
    ],
    {
      logFile: join(folder, 'log'),
      isReady: async () =>
        (await run(join(programs, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', `${port}`]))
          .code === 0,
    },
  );
  // It waits for those that are connected to leave.
  started.use(server);
  const connect = (): Database => databaseAt(port);
  const first = connect();
  await migrate(first, { engine: POSTGRESQL, now: Date.now });
  await first[Symbol.asyncDispose]();
  const disposables = started.move();
  return { connect, [Symbol.asyncDispose]: () => disposables.disposeAsync() };
}

function databaseAt(port: number): Database {
  const pool = new Pool({
    host: '127.0.0.1',
    port,
    user: 'app',
    database: 'postgres',
    types: {
      getTypeParser: (id, format) => (id === INT8 ? Number : types.getTypeParser(id, format)),
    },
  });
  const queries = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const database = databaseOver(queries);
  return {
    ...database,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await queries.destroy();
    },
  };
}

async function programsOfNewest(): Promise<string> {
  const versions = (await readdir(INSTALLED)).map(Number).filter(Number.isFinite);
  return join(INSTALLED, `${Math.max(...versions)}`, 'bin');
}

async function idsOf(user: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const [uid, gid] = await Promise.all([must('id', ['-u', user]), must('id', ['-g', user])]);
  return { uid: Number(uid), gid: Number(gid) };
}
