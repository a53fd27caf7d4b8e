import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database, WriteTransaction } from '../../src/database/database.ts';
import { SQLITE } from '../../src/database/engine.ts';
import { migrate } from '../../src/database/migrate.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

describe('the SQLite database', () => {
  it('puts writes that wait into one commit', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);
    await using observer = await openSqlite({ file: fileIn(directory.path) });
    // A reader sees all rows of a commit at once.
    const seen = new Set<number>();
    const watch = async (): Promise<void> => {
      const rows = await observer.read.selectFrom('users').select('id').execute();
      seen.add(rows.length);
    };

    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        database.write(async (transaction) => {
          await insert(transaction, `${index}`);
          await watch();
        }),
      ),
    );
    await watch();

    assert.deepEqual([...seen], [0, 100]);
  });

  it('syncs the log at every commit', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);

    const pragma = await database.write((transaction) =>
      sql<{ synchronous: number }>`pragma synchronous`.execute(transaction),
    );

    assert.equal(pragma.rows[0]?.synchronous, 2);
  });

  it('cannot be written through its reader', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);

    await assert.rejects(database.read.deleteFrom('users').execute(), /readonly/);
  });

  it('has a revision that other processes’ commits change', async () => {
    await using directory = await temporaryDirectory();
    await using here = await opened(directory.path);
    await using there = await openSqlite({ file: fileIn(directory.path) });
    const before = here.revision();

    await there.write((transaction) => insert(transaction, 'ada'));
    await turn();

    assert.notEqual(here.revision(), before);
  });

  it('tells a full disk as such, keeps what was there, and goes on', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);
    await database.write((transaction) => insert(transaction, 'ada'));
    await database.write(async (transaction) => {
      const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(transaction);
      const most = (rows[0]?.page_count ?? 0) + 10;
      await sql.raw(`pragma max_page_count = ${most}`).execute(transaction);
    });

    const small = database.write((transaction) => insert(transaction, 'bob'));
    const large = database.write((transaction) => insert(transaction, 'eve', 'x'.repeat(100_000)));

    await assert.rejects(large, { code: 'STORAGE_FULL' });
    // It shared the other's transaction: kept or refused, but the answer is true.
    const isKept = await small.then(
      () => true,
      () => false,
    );
    await database.write((transaction) => insert(transaction, 'dan'));
    assert.deepEqual(await names(database), ['ada', ...(isKept ? ['bob'] : []), 'dan']);
  });

  it('fails all of a commit that fails, keeps nothing of it, and goes on', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);
    const failing = database.write(async (transaction) => {
      await sql`pragma defer_foreign_keys = on`.execute(transaction);
      const digest = digestOf(Buffer.from('none'));
      const link = { repository: 99, digest, ownership: 'origin', linked_at: 0 } as const;
      await transaction.insertInto('blob_links').values(link).execute();
    });
    const beside = database.write((transaction) => insert(transaction, 'ada'));

    const results = await Promise.allSettled([failing, beside]);

    for (const result of results) {
      assert.ok(result.status === 'rejected');
      assert.match(String(result.reason), /FOREIGN KEY/);
    }
    await database.write((transaction) => insert(transaction, 'bob'));
    assert.deepEqual(await names(database), ['bob']);
  });

  it('copies its log into the database on a timer, and not in a commit', async (test) => {
    test.mock.timers.enable({ apis: ['setInterval'] });
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);
    const size = async (): Promise<number> => (await stat(fileIn(directory.path))).size;
    await database.write((transaction) => insert(transaction, 'ada', 'x'.repeat(10_000_000)));
    const before = await size();

    test.mock.timers.tick(10_000);

    assert.ok(before < 100_000, `${before}`);
    assert.ok((await size()) > 10_000_000);
  });

  it('refuses a place where readers could not go on beside the writer', async () => {
    await assert.rejects(openSqlite({ file: ':memory:' }), /write-ahead log/);
  });

  it('refuses a value that no column can hold, and says which type it was', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);

    await assert.rejects(
      database.write((transaction) => sql`select ${true}`.execute(transaction)),
      /not a value that a column can hold: boolean/,
    );
  });

  it('streams rows while the same query runs again', async () => {
    await using directory = await temporaryDirectory();
    await using database = await opened(directory.path);
    await database.write(async (transaction) => {
      for (const name of ['a', 'b', 'c']) await insert(transaction, name);
    });
    const query = database.read.selectFrom('users').select('name').orderBy('id');
    await query.execute();

    const seen: string[] = [];
    for await (const row of query.stream()) seen.push(row.name);

    assert.deepEqual(seen, ['a', 'b', 'c']);
  });
});

const fileIn = (directory: string): string => join(directory, 'portolan.db');

async function opened(directory: string): Promise<Database> {
  const database = await openSqlite({ file: fileIn(directory) });
  await migrate(database, { engine: SQLITE, now: Date.now });
  return database;
}

async function insert(
  transaction: WriteTransaction,
  name: string,
  password_hash = '',
): Promise<void> {
  await transaction
    .insertInto('users')
    .values({ name, password_hash, admin: 0, created_at: 0, updated_at: 0 })
    .execute();
}

async function names(database: Database): Promise<readonly string[]> {
  const rows = await database.read.selectFrom('users').select('name').orderBy('id').execute();
  return rows.map((row) => row.name);
}
