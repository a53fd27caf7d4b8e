import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AuditEntry, createAudit, writeAudit } from '../../src/audit/audit.ts';
import type { Database } from '../../src/database/database.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { databases } from '../support/databases.ts';

const AT = Date.UTC(2026, 10, 21);
const ENTRY: AuditEntry = {
  actor: { name: 'alice', address: '192.0.2.7' },
  operation: 'create',
  resourceType: 'user',
  resource: 'bob',
  succeeded: true,
  detail: 'create user bob',
  at: AT,
};

for (const engine of databases) {
  describe(`the audit log on ${engine.name}`, () => {
    it('says who did what, from where, when, and whether it worked', async () => {
      await using database = await engine.open();
      await write(database, ENTRY);

      const { items, total } = await createAudit(database).list(EVERYTHING);

      const { actor, ...entry } = ENTRY;
      assert.equal(total, 1);
      assert.deepEqual(items, [{ ...entry, id: 1, actor: actor.name, address: actor.address }]);
    });

    it('forgets with its transaction what did not happen', async () => {
      await using database = await engine.open();

      await assert.rejects(
        database.write(async (transaction) => {
          await writeAudit(transaction, ENTRY);
          throw new Error('not after all');
        }),
      );

      assert.equal((await createAudit(database).list(EVERYTHING)).total, 0);
    });

    it('is read from the newest on, by what a row says', async () => {
      await using database = await engine.open();
      await write(database, ENTRY, { ...ENTRY, succeeded: false, at: AT - 1 });
      const audit = createAudit(database);

      const all = await audit.list(EVERYTHING);
      const failed = await audit.list({
        ...EVERYTHING,
        filters: [{ field: 'succeeded', kind: 'exact', value: 'false' }],
      });

      assert.deepEqual(
        all.items.map(({ id }) => id),
        [2, 1],
      );
      assert.deepEqual(
        failed.items.map(({ id }) => id),
        [2],
      );
    });

    it('tells a project only what happened in it, whoever has its name', async () => {
      await using database = await engine.open();
      await write(database, { ...ENTRY, resource: 'team', project: 3 }, { ...ENTRY, project: 4 });
      await write(database, { ...ENTRY, resource: 'team' });

      const { items } = await createAudit(database).list(EVERYTHING, { projects: [3] });

      assert.deepEqual(
        items.map(({ id }) => id),
        [1],
      );
    });

    it('forgets what is too old, however much it is, and nothing else', async () => {
      await using database = await engine.open();
      const old = Array.from({ length: 2_100 }, (_, age) => ({ ...ENTRY, at: AT - 1 - age }));
      await write(database, ...old, ENTRY);
      const audit = createAudit(database);
      const { signal } = new AbortController();

      assert.equal(await audit.purge(AT, { signal }), 2_100);

      assert.deepEqual(
        (await audit.list(EVERYTHING)).items.map(({ at }) => at),
        [AT],
      );
    });

    it('forgets nothing more once it is told to stop', async () => {
      await using database = await engine.open();
      await write(database, ENTRY);
      const audit = createAudit(database);

      assert.equal(await audit.purge(AT + 1, { signal: AbortSignal.abort() }), 0);
    });
  });
}

function write(database: Database, ...entries: readonly AuditEntry[]): Promise<void> {
  return database.write(async (transaction) => {
    for (const entry of entries) await writeAudit(transaction, entry);
  });
}
