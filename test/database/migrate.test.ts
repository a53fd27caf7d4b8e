import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Insertable } from 'kysely';
import type { Database } from '../../src/database/database.ts';
import type { Tables } from '../../src/database/tables.ts';
import { databases } from '../support/databases.ts';
import { at, rows } from './rows.ts';

for (const engine of databases) {
  describe(`the first migration on ${engine.name}`, () => {
    it('makes this node known by a UUID and as endpoint 0', async () => {
      await using database = await engine.open();

      const instance = await database.read.selectFrom('instance').selectAll().execute();
      const endpoints = await database.read.selectFrom('endpoints').selectAll().execute();

      assert.equal(instance.length, 1);
      assert.match(instance[0]?.id ?? '', /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      assert.deepEqual(
        endpoints.map(({ id, name }) => [id, name]),
        [[0, 'local']],
      );
    });

    it('makes tables that hold exactly the columns of their types, and give them back', async () => {
      await using database = await engine.open();
      await database.write(async (transaction) => {
        await transaction.deleteFrom('instance').execute();
        for (const table of tableNames()) {
          await transaction.insertInto(table).values(rows[table]).execute();
        }
      });

      for (const table of tableNames()) {
        const found = await database.read.selectFrom(table).selectAll().execute();
        const row = found.find((each) => !('id' in each) || each.id !== 0);
        assert.deepEqual(sorted(row ?? {}), sorted(rows[table]), table);
      }
    });

    it('never gives an id twice, not even that of the last row', async () => {
      await using database = await engine.open();
      const add = (): Promise<number> => idOf(database, hosted('team'));
      const first = await add();
      await database.write((transaction) => transaction.deleteFrom('projects').execute());

      assert.equal(await add(), first + 1);
    });

    it('gives a deleted project’s name and upstream free, and no other', async () => {
      await using database = await engine.open();
      await idOf(database, { ...proxy('ghcr.io'), deleted_at: at });
      await idOf(database, proxy('ghcr.io'));

      await assert.rejects(idOf(database, proxy('ghcr.io')));
      await assert.rejects(idOf(database, { ...proxy('mirror'), upstream_host: 'ghcr.io' }));
      await idOf(database, { ...proxy('mirror'), upstream_host: 'ghcr.io:443' });
    });

    it('has at most one default project', async () => {
      await using database = await engine.open();
      await idOf(database, { ...proxy('docker.io'), is_default: 1 });

      await assert.rejects(idOf(database, { ...proxy('quay.io'), is_default: 1 }));
      await idOf(database, proxy('quay.io'));
    });

    it('orders text by its bytes', async () => {
      await using database = await engine.open();
      const names = ['a', 'B', 'a-b', 'a.b', 'a_b', 'ab', '1'];
      for (const name of names) await idOf(database, hosted(name));

      const found = await database.read
        .selectFrom('projects')
        .select('name')
        .orderBy('name')
        .execute();

      assert.deepEqual(
        found.map((row) => row.name),
        names.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
      );
    });

    it('lets no link point to a blob that is not there', async () => {
      await using database = await engine.open();
      await idOf(database, hosted('team'));

      await assert.rejects(
        database.write(async (transaction) => {
          await transaction.insertInto('repositories').values(rows.repositories).execute();
          await transaction.insertInto('blob_links').values(rows.blob_links).execute();
        }),
      );
    });
  });
}

/** In the order of the rows. */
function tableNames(): readonly (keyof Tables)[] {
  return Object.keys(rows).filter(isTable);
}

function isTable(name: string): name is keyof Tables {
  return name in rows;
}

function sorted(row: object): readonly (readonly [string, unknown])[] {
  return Object.entries(row)
    .map(([column, value]) => [column, ArrayBuffer.isView(value) ? text(value) : value] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
}

function text(bytes: ArrayBufferView): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

function hosted(name: string): Insertable<Tables['projects']> {
  return {
    name,
    kind: 'hosted',
    public: 0,
    reference_mode: 'strict',
    upstream_host: null,
    is_default: 0,
    owner: 'admin',
    declared: 0,
    settings: '{}',
    created_at: at,
    updated_at: at,
    deleted_at: null,
  };
}

function proxy(host: string): Insertable<Tables['projects']> {
  return { ...hosted(host), kind: 'proxy', upstream_host: host };
}

async function idOf(database: Database, row: Insertable<Tables['projects']>): Promise<number> {
  const { id } = await database.write((transaction) =>
    transaction.insertInto('projects').values(row).returning('id').executeTakeFirstOrThrow(),
  );
  return id;
}
