import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Kysely, SqliteDialect } from 'kysely';
import type { Database, WriteTransaction } from '../../src/database/database.ts';
import { Writer } from '../../src/database/writer.ts';
import { databases } from '../support/databases.ts';

for (const engine of databases) {
  describe(`writes on ${engine.name}`, () => {
    it('are seen by readers once they are told done, and not before', async () => {
      await using database = await engine.open();

      const write = database.write((transaction) => insert(transaction, 'ada'));
      const before = await names(database);
      await write;

      assert.deepEqual(before, []);
      assert.deepEqual(await names(database), ['ada']);
    });

    it('give back what their work gave', async () => {
      await using database = await engine.open();

      assert.equal(await database.write(async () => 'done'), 'done');
    });

    it('that share a commit fail alone: by an exception, by a constraint, at any place', async () => {
      await using database = await engine.open();
      const failure = new Error('on purpose');

      const results = await Promise.allSettled([
        database.write((transaction) => insert(transaction, 'first')),
        database.write(async (transaction) => {
          await insert(transaction, 'half');
          throw failure;
        }),
        database.write((transaction) => insert(transaction, 'second')),
        database.write(async (transaction) => {
          await insert(transaction, 'other half');
          await insert(transaction, 'first');
        }),
        database.write((transaction) => insert(transaction, 'third')),
      ]);

      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
      );
      assert.ok(results[1]?.status === 'rejected' && results[1].reason === failure);
      assert.deepEqual(await names(database), ['first', 'second', 'third']);
    });

    it('run one after the other, however long one takes', async () => {
      await using database = await engine.open();
      const events: string[] = [];
      const slow = (name: string) =>
        database.write(async (transaction) => {
          events.push(`${name} begins`);
          await turn();
          await insert(transaction, name);
          events.push(`${name} ends`);
        });

      await Promise.all([slow('a'), slow('b')]);

      assert.deepEqual(events, ['a begins', 'a ends', 'b begins', 'b ends']);
    });

    it('change the revision, and failed ones and reads need not', async () => {
      await using database = await engine.open();
      const before = database.revision();
      await names(database);
      await turn();
      assert.equal(database.revision(), before);

      await database.write((transaction) => insert(transaction, 'ada'));
      const after = database.revision();
      assert.notEqual(after, before);

      await database.write((transaction) => insert(transaction, 'bob'));
      assert.notEqual(database.revision(), after);
    });

    it('that were asked for before the end are committed, and later ones are refused', async () => {
      const opened = await engine.open();
      await using database = opened;
      const results: string[] = [];
      const write = database
        .write((transaction) => insert(transaction, 'ada'))
        .then(() => results.push('committed'));

      await opened[Symbol.asyncDispose]();

      await write;
      assert.deepEqual(results, ['committed']);
      await assert.rejects(
        database.write((transaction) => insert(transaction, 'bob')),
        /the database is closed/,
      );
    });
  });
}

describe('writes that no transaction can begin for', () => {
  it('are all refused, and later ones are tried again', async () => {
    let attempts = 0;
    const unreachable = async (): Promise<never> => {
      attempts += 1;
      throw new Error('no such server');
    };
    const dialect = new SqliteDialect({ database: unreachable });
    await using writer = new Writer(new Kysely({ dialect }), () => {});
    const write = () => writer.write((transaction) => insert(transaction, 'ada'));

    const results = await Promise.allSettled([write(), write()]);
    await assert.rejects(write(), /no such server/);

    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(attempts, 2);
  });
});

async function insert(transaction: WriteTransaction, name: string): Promise<void> {
  await transaction
    .insertInto('users')
    .values({ name, password_hash: '', admin: 0, created_at: 0, updated_at: 0 })
    .execute();
}

async function names(database: Database): Promise<readonly string[]> {
  const rows = await database.read.selectFrom('users').select('name').orderBy('id').execute();
  return rows.map((row) => row.name);
}
