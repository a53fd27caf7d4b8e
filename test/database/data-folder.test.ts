import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import {
  backupFile,
  databaseFile,
  lockDataFolder,
  lockFile,
} from '../../src/database/data-folder.ts';
import { DataFolderInUse, DataTooNew } from '../../src/database/errors.ts';
import { MIGRATIONS } from '../../src/database/migrate.ts';
import type { Migration } from '../../src/database/migration.ts';
import { openDatabase } from '../../src/database/open-database.ts';
import { snapshotTo } from '../../src/database/snapshot.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const now = Date.now;
const user = { password_hash: '', admin: 0, created_at: 0, updated_at: 0 } as const;

describe('a data folder', () => {
  it('is made with all above it, for its owner and its group', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'var', 'lib', 'data');

    await using database = await openDatabase(folder, { now });

    assert.equal((await database.read.selectFrom('instance').selectAll().execute()).length, 1);
    assert.equal((await stat(folder)).mode & 0o777, 0o750);
    for (const file of [databaseFile(folder), lockFile(folder)]) {
      assert.equal((await stat(file)).mode & 0o777, 0o640);
    }
    assert.equal(await readFile(join(folder, 'VERSION'), 'utf8'), `${MIGRATIONS.length}\n`);
  });

  it('keeps what was written, and its instance id, when it is opened again', async () => {
    await using directory = await temporaryDirectory();
    const instance = async (): Promise<unknown> => {
      await using database = await openDatabase(directory.path, { now });
      return await database.read.selectFrom('instance').selectAll().executeTakeFirstOrThrow();
    };

    assert.deepEqual(await instance(), await instance());
  });

  it('leaves no log and no backup behind when it is closed', async () => {
    await using directory = await temporaryDirectory();
    await using database = await openDatabase(directory.path, { now });
    await database[Symbol.asyncDispose]();

    const files = await readdir(directory.path);

    assert.deepEqual(files.toSorted(), ['VERSION', 'backup.lock', 'lock', 'portolan.db']);
  });

  it('refuses a second owner in the same process, and is free once the first is gone', async () => {
    await using directory = await temporaryDirectory();
    const database = await openDatabase(directory.path, { now });

    await assert.rejects(openDatabase(directory.path, { now }), DataFolderInUse);
    await database[Symbol.asyncDispose]();

    using _ = lockDataFolder(directory.path);
  });

  it('refuses a second process at once, and is free as soon as the first is killed', async () => {
    await using directory = await temporaryDirectory();
    await using owner = await startOwner(directory.path);

    await assert.rejects(openDatabase(directory.path, { now }), {
      name: 'DataFolderInUse',
      message: `another process is using the data in ${directory.path}`,
    });
    await owner.kill();

    await using database = await openDatabase(directory.path, { now });
    assert.equal((await database.read.selectFrom('instance').selectAll().execute()).length, 1);
  });

  it('holds every write that was acknowledged before a kill -9, and whole rows only', async () => {
    await using directory = await temporaryDirectory();
    for (let round = 0; round < 3; round++) {
      const folder = join(directory.path, `${round}`);
      await using owner = await startOwner(folder);
      await owner.hasAcknowledged(20 + 37 * round);
      const acknowledged = await owner.kill();

      await using database = await openDatabase(folder, { now });

      const rows = await database.read.selectFrom('users').selectAll().execute();
      const names = new Set(rows.map((row) => row.name));
      assert.deepEqual(
        acknowledged.filter((name) => !names.has(name)),
        [],
      );
      assert.ok(rows.every((row) => row.password_hash.length === 500));
    }
  });
});

describe('the version of a data folder', () => {
  for (const version of [`${MIGRATIONS.length + 1}\n`, '2.0', '']) {
    it(`is refused as ${JSON.stringify(version)}, and nothing is changed`, async () => {
      await using directory = await temporaryDirectory();
      await writeFile(join(directory.path, 'VERSION'), version);

      await assert.rejects(openDatabase(directory.path, { now }), DataTooNew);

      assert.deepEqual((await readdir(directory.path)).toSorted(), ['VERSION', 'lock']);
      assert.equal(await readFile(join(directory.path, 'VERSION'), 'utf8'), version);
    });
  }

  it('is refused where only the database is newer, as after a crash between the two', async () => {
    await using directory = await temporaryDirectory();
    await addUser(directory.path, 'ada', [...MIGRATIONS, addsTable]);
    await writeFile(join(directory.path, 'VERSION'), `${MIGRATIONS.length}\n`);

    await assert.rejects(openDatabase(directory.path, { now }), {
      name: 'DataTooNew',
      message: new RegExp(`version ${MIGRATIONS.length + 1}.*up to ${MIGRATIONS.length}:`),
    });
  });

  it('goes up with a newer program, which copies the data as it was before', async () => {
    await using directory = await temporaryDirectory();
    await addUser(directory.path, 'ada', MIGRATIONS);

    await addUser(directory.path, 'bob', [...MIGRATIONS, addsTable]);

    assert.equal(
      await readFile(join(directory.path, 'VERSION'), 'utf8'),
      `${MIGRATIONS.length + 1}\n`,
    );
    assert.deepEqual(await usersIn(databaseFile(directory.path)), ['ada', 'bob']);
    assert.deepEqual(await usersIn(backupFile(directory.path, MIGRATIONS.length)), ['ada']);
  });

  it('stays, with the data, where a migration fails half way', async () => {
    await using directory = await temporaryDirectory();
    await addUser(directory.path, 'ada', MIGRATIONS);
    const failing: Migration = {
      async up(transaction, facts) {
        await addsTable.up(transaction, facts);
        await sql`delete from users`.execute(transaction);
        throw new Error('half way');
      },
    };

    await assert.rejects(
      openDatabase(directory.path, { now, migrations: [...MIGRATIONS, failing] }),
      /half way/,
    );

    await addUser(directory.path, 'bob', MIGRATIONS);
    assert.deepEqual(await usersIn(databaseFile(directory.path)), ['ada', 'bob']);
  });
});

describe('a snapshot', () => {
  it('holds what was committed when it was taken, while writes go on', async () => {
    await using directory = await temporaryDirectory();
    const folder = join(directory.path, 'data');
    const copy = join(directory.path, 'copies', 'today.db');
    await using database = await openDatabase(folder, { now });
    const add = (name: string) =>
      database.write((transaction) =>
        transaction
          .insertInto('users')
          .values({ name, ...user })
          .execute(),
      );
    await add('before');

    await Promise.all([snapshotTo(copy, databaseFile(folder)), add('meanwhile')]);
    await add('after');

    const users = await usersIn(copy);
    assert.ok(users.includes('before'));
    assert.ok(!users.includes('after'));
    assert.equal((await stat(copy)).mode & 0o777, 0o640);
  });

  it('starts another epoch of the feed wherever a node starts from it', async () => {
    await using directory = await temporaryDirectory();
    const [folder, copy] = [join(directory.path, 'data'), join(directory.path, 'copy.db')];
    assert.equal(await epochAt(folder, 1_000), 1);
    await snapshotTo(copy, databaseFile(folder));
    const at = (name: string): string => join(directory.path, name);
    const [first, second, third] = [at('1'), at('2'), at('3')];
    for (const path of [first, second, third]) {
      await mkdir(path);
      await copyFile(copy, databaseFile(path));
    }

    assert.equal(await epochAt(first, 2_000), 2_000);
    assert.equal(await epochAt(second, 3_000), 3_000);
    // With a clock that is wrong, none that the data has seen.
    assert.equal(await epochAt(third, 0), 2);
    assert.equal(await epochAt(first, 4_000), 2_000);
    assert.equal(await epochAt(folder, 4_000), 1);
  });

  it('starts another epoch where it was made before a newer program, and is put back', async () => {
    await using directory = await temporaryDirectory();
    const folder = directory.path;
    await addUser(folder, 'ada', MIGRATIONS);
    await addUser(folder, 'bob', [...MIGRATIONS, addsTable]);

    await copyFile(backupFile(folder, MIGRATIONS.length), databaseFile(folder));
    await writeFile(join(folder, 'VERSION'), `${MIGRATIONS.length}\n`);

    assert.equal(await epochAt(folder, 2_000), 2_000);
  });

  it('replaces an older copy, and what a copy that was cut short left', async () => {
    await using directory = await temporaryDirectory();
    const copy = join(directory.path, 'copy.db');
    await writeFile(copy, 'old');
    await writeFile(`${copy}.partial`, 'cut short');
    await addUser(join(directory.path, 'data'), 'ada', MIGRATIONS);

    await snapshotTo(copy, databaseFile(join(directory.path, 'data')));

    assert.deepEqual(await usersIn(copy), ['ada']);
    assert.deepEqual((await readdir(directory.path)).toSorted(), ['copy.db', 'data']);
  });
});

/** What a later version might do. */
const addsTable: Migration = {
  async up(transaction) {
    await sql`create table later (id integer primary key)`.execute(transaction);
  },
};

async function addUser(
  folder: string,
  name: string,
  migrations: readonly Migration[],
): Promise<void> {
  await using database = await openDatabase(folder, { now, migrations });
  await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values({ name, ...user })
      .execute(),
  );
}

/** Of the feed, as a node that starts at that time has it. */
async function epochAt(folder: string, time: number): Promise<number> {
  await using database = await openDatabase(folder, { now: () => time });
  const { read } = database;
  return (await read.selectFrom('instance').select('feed_epoch').executeTakeFirstOrThrow())
    .feed_epoch;
}

async function usersIn(file: string): Promise<readonly string[]> {
  await using database = await openSqlite({ file });
  const rows = await database.read.selectFrom('users').select('name').orderBy('name').execute();
  return rows.map((row) => row.name);
}

interface Owner extends AsyncDisposable {
  /** Waits for that many acknowledged writes. */
  hasAcknowledged(writes: number): Promise<void>;
  /** With SIGKILL; resolves to the names whose writes were acknowledged. */
  kill(): Promise<readonly string[]>;
}

async function startOwner(folder: string): Promise<Owner> {
  const script = join(import.meta.dirname, 'owning-process.ts');
  const child = spawn(process.execPath, [script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const said: string[] = [];
  lines.on('line', (line: string) => said.push(line));
  const kill = async (): Promise<readonly string[]> => {
    const read = once(lines, 'close');
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await Promise.all([exited, read]);
    }
    return said.slice(1);
  };
  await once(lines, 'line');
  assert.equal(said[0], 'owns');
  return {
    async hasAcknowledged(writes) {
      while (said.length <= writes) await once(lines, 'line');
    },
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
    },
  };
}
