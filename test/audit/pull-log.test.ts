import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAudit } from '../../src/audit/audit.ts';
import { type AuditedPull, createPullLog } from '../../src/audit/pull-log.ts';
import type { Database } from '../../src/database/database.ts';
import { EVERYTHING } from '../../src/database/listing.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';

const AT = Date.UTC(2026, 10, 21);
const digest = digestOf(Buffer.from('image'));
const PULL: AuditedPull = {
  actor: { name: 'alice', address: '192.0.2.7' },
  repository: 'team/app',
  project: 5,
  digest,
  tag: 'v1',
};

for (const engine of databases) {
  describe(`pulls in the audit log on ${engine.name}`, () => {
    it('are there soon, in the words of Harbor', async () => {
      await using database = await engine.open();
      await using log = createPullLog({ database, now: () => AT, delayMs: 1 });

      log.note(PULL);
      await until(async () => (await rowsOf(database)).length > 0);

      assert.deepEqual(await rowsOf(database), [
        {
          id: 1,
          at: AT,
          actor: 'alice',
          address: '192.0.2.7',
          operation: 'pull',
          resourceType: 'artifact',
          resource: 'team/app:v1',
          succeeded: true,
          detail: `pull artifact: team/app@${digest}`,
        },
      ]);
      const { total } = await createAudit(database).list(EVERYTHING, { projects: [5] });
      assert.equal(total, 1);
    });

    it('are written when the node closes, and one row where they are alike', async () => {
      await using database = await engine.open();
      const log = createPullLog({ database, now: () => AT });

      for (let n = 0; n < 3; n++) log.note(PULL);
      log.note({ ...PULL, tag: undefined });
      log.note({ ...PULL, actor: { ...PULL.actor, address: '192.0.2.8' } });
      await log[Symbol.asyncDispose]();

      const rows = await rowsOf(database);
      assert.deepEqual(
        rows.map(({ address, resource, detail }) => [address, resource, detail]),
        [
          ['192.0.2.8', 'team/app:v1', `pull artifact: team/app@${digest}`],
          ['192.0.2.7', `team/app@${digest}`, `pull artifact: team/app@${digest}`],
          ['192.0.2.7', 'team/app:v1', `pull artifact: team/app@${digest}, 3 times`],
        ],
      );
    });

    it('are all there, however many', async () => {
      await using database = await engine.open();
      const log = createPullLog({ database, now: () => AT });

      for (let n = 0; n < 1_234; n++) log.note({ ...PULL, tag: `v${n}` });
      await log[Symbol.asyncDispose]();

      assert.equal((await createAudit(database).list(EVERYTHING)).total, 1_234);
    });

    it('are written later where the database could not', async () => {
      await using database = await engine.open();
      const failures: unknown[] = [];
      using _ = maintenanceFailed.subscribe(({ error }) => failures.push(error));
      let broken = true;
      const sometimes: Database = {
        ...database,
        read: database.read,
        async write(work) {
          if (broken) throw new Error('the disk is full');
          return database.write(work);
        },
      };
      await using log = createPullLog({ database: sometimes, now: () => AT, delayMs: 1 });

      log.note(PULL);
      await until(() => failures.length > 0);
      log.note(PULL);
      broken = false;
      await until(async () => (await rowsOf(database)).length > 0);

      const [row] = await rowsOf(database);
      assert.equal(row?.detail, `pull artifact: team/app@${digest}, 2 times`);
    });
  });
}

describe('more different pulls than the audit log takes', () => {
  it('are told as a failure, and do not fill the memory', async () => {
    const [engine] = databases;
    assert.ok(engine);
    await using database = await engine.open();
    const failures: string[] = [];
    using _ = maintenanceFailed.subscribe(({ error }) => failures.push(String(error)));
    const log = createPullLog({ database, now: () => AT });

    for (let n = 0; n < 20_003; n++) log.note({ ...PULL, tag: `v${n}` });
    await log[Symbol.asyncDispose]();

    assert.deepEqual(failures, ['Error: 3 pulls were more than the audit log takes']);
    assert.equal((await createAudit(database).list(EVERYTHING)).total, 20_000);
  });
});

async function rowsOf(database: Database) {
  return (await createAudit(database).list(EVERYTHING)).items;
}
