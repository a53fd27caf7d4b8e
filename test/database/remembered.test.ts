import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { remembered } from '../../src/database/remembered.ts';
import { databases } from '../support/databases.ts';

for (const engine of databases) {
  describe(`what is remembered of ${engine.name}`, () => {
    it('is read once until something is committed, by all who ask at once', async () => {
      await using database = await engine.open();
      let readings = 0;
      const ask = remembered(database, async () => {
        readings += 1;
        return seqOf(database);
      });

      assert.deepEqual(await Promise.all([ask(), ask()]), [0, 0]);
      assert.equal(await ask(), 0);
      assert.equal(readings, 1);

      await commit(database, 7);
      assert.equal(await ask(), 7);
      assert.equal(readings, 2);
    });

    it('is not the failure of one reading', async () => {
      await using database = await engine.open();
      const answers: (() => number)[] = [
        () => {
          throw new Error('once');
        },
        () => 1,
      ];
      const ask = remembered(database, async () => answers.shift()?.());

      await assert.rejects(ask(), /once/);

      assert.equal(await ask(), 1);
    });

    it('is read with what was read before at hand', async () => {
      await using database = await engine.open();
      const ask = remembered<number>(database, async (before = 0) => before + 1);
      await ask();
      await commit(database, 1);

      assert.equal(await ask(), 2);
    });
  });
}

async function seqOf(database: Database): Promise<number> {
  const row = await database.read.selectFrom('instance').select('last_seq').executeTakeFirst();
  return row?.last_seq ?? -1;
}

async function commit(database: Database, last_seq: number): Promise<void> {
  await database.write((transaction) =>
    transaction.updateTable('instance').set({ last_seq }).execute(),
  );
}
