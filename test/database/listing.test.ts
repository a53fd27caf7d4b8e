import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { EVERYTHING, type Filter, type ListQuery, listPage } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';

const AT = Date.UTC(2026, 10, 21, 12, 30);

for (const engine of databases) {
  describe(`a list as a client asks for it, on ${engine.name}`, () => {
    const filters: readonly (readonly [string, Filter, readonly string[]])[] = [
      ['one value', { field: 'name', kind: 'exact', value: 'bob' }, ['bob']],
      ['no other letter case for it', { field: 'name', kind: 'exact', value: 'BOB' }, []],
      [
        'a part in any letter case',
        { field: 'name', kind: 'fuzzy', value: 'AL' },
        ['Alice', 'carAl'],
      ],
      ['a part with %', { field: 'name', kind: 'fuzzy', value: '%' }, ['50%']],
      ['a part with _', { field: 'name', kind: 'fuzzy', value: '_' }, ['a_b']],
      ['a part with a backslash', { field: 'name', kind: 'fuzzy', value: '\\' }, ['c\\d']],
      ['a quote, and nothing more', { field: 'name', kind: 'exact', value: "' or 1=1 --" }, []],
      ['a flag', { field: 'admin', kind: 'exact', value: 'true' }, ['Alice']],
      ['a number', { field: 'id', kind: 'exact', value: '2' }, ['bob']],
      ['numbers between two', { field: 'id', kind: 'range', min: '2', max: '3' }, ['bob', 'carAl']],
      ['numbers from one on', { field: 'id', kind: 'range', min: '5' }, ['a_b', 'c\\d']],
      [
        'times up to one',
        { field: 'at', kind: 'range', max: '2026-11-21T12:30:01' },
        ['Alice', 'bob'],
      ],
      ['any of several', { field: 'name', kind: 'any', values: ['bob', '50%'] }, ['50%', 'bob']],
      ['all of one', { field: 'name', kind: 'all', values: ['bob'] }, ['bob']],
      ['all of two, which is nobody', { field: 'name', kind: 'all', values: ['bob', '50%'] }, []],
    ];
    it('has what its filter lets through', async () => {
      await using database = await populated(engine);

      for (const [name, filter, expected] of filters) {
        const { items, total } = await people(database, { filters: [filter] });

        assert.deepEqual([items, total], [expected.toSorted(), expected.length], name);
      }
    });

    it('ignores fields that it does not have', async () => {
      await using database = await populated(engine);

      for (const field of ['password_hash', 'constructor', 'name; drop table users']) {
        const { total } = await people(database, {
          filters: [{ field, kind: 'exact', value: 'x' }],
          sort: [{ field, descending: true }],
        });
        assert.equal(total, 6);
      }
    });

    it('has the page that was asked for, and says how many there are in all', async () => {
      await using database = await populated(engine);

      assert.deepEqual(await people(database, { offset: 1, limit: 2 }), {
        items: ['Alice', 'a_b'],
        total: 6,
      });
      assert.deepEqual(await people(database, { offset: 4 }), {
        items: ['c\\d', 'carAl'],
        total: 6,
      });
      assert.deepEqual(await people(database, { offset: 60, limit: 10 }), { items: [], total: 6 });
    });

    it('is sorted as asked for, and by its own order where that says nothing', async () => {
      await using database = await populated(engine);
      const sort = [
        { field: 'admin', descending: true },
        { field: 'at', descending: false },
      ];

      const { items } = await people(database, { sort, limit: 3 });

      assert.deepEqual(items, ['Alice', 'bob', 'carAl']);
    });

    for (const filter of [
      { field: 'id', kind: 'exact', value: 'one' },
      { field: 'admin', kind: 'exact', value: 'maybe' },
      { field: 'at', kind: 'range', min: 'yesterday' },
    ] as const) {
      it(`refuses text for ${filter.field}`, async () => {
        await using database = await populated(engine);

        await assert.rejects(people(database, { filters: [filter] }), { code: 'BAD_REQUEST' });
      });
    }
  });
}

async function populated(engine: (typeof databases)[number]): Promise<Database> {
  const database = await engine.open();
  const names = ['Alice', 'bob', 'carAl', '50%', 'a_b', 'c\\d'];
  await database.write((transaction) =>
    transaction
      .insertInto('users')
      .values(
        names.map((name, index) => ({
          name,
          password_hash: '',
          admin: index === 0 ? 1 : 0,
          created_at: AT + index * 1000,
          updated_at: AT,
        })),
      )
      .execute(),
  );
  return database;
}

async function people({ read }: Database, query: Partial<ListQuery>) {
  const { items, total } = await listPage(
    read.selectFrom('users').select('name'),
    { ...EVERYTHING, ...query },
    {
      fields: {
        id: ['id', 'integer'],
        name: ['users.name', 'text'],
        admin: ['admin', 'flag'],
        at: ['created_at', 'time'],
      },
      order: { column: 'users.name', descending: false },
    },
  );
  return { items: items.map(({ name }) => name), total };
}
