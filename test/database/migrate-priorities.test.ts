import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sql } from 'kysely';
import type { WriteTransaction } from '../../src/database/database.ts';
import type { TaskState } from '../../src/database/job-tables.ts';
import { MIGRATIONS } from '../../src/database/migrate.ts';
import { databases } from '../support/databases.ts';
import { rows } from './rows.ts';

const BEFORE = MIGRATIONS.slice(0, 10);

for (const engine of databases) {
  describe(`what was to do in data of version 10 on ${engine.name}`, () => {
    it('is counted by priority afterwards, and as far as its queue was', async () => {
      await using database = await engine.open({ migrations: BEFORE });
      await database.write(async (transaction) => {
        await sql`insert into job_queues (name, weight, vtime, paused, most_running)
          values ('mirror', 1, 700, 1, null), ('idle', 1, 900, 0, null)`.execute(transaction);
        await sql`insert into job_lanes (queue, route, ready, running, vtime)
          values ('mirror', 'hub', 2, 2, 70), ('mirror', 'old', 0, 0, 90)`.execute(transaction);
        await transaction.insertInto('executions').values(rows.executions).execute();
        await add(transaction, ['ready', 'running', 'waiting'], 0);
        await add(transaction, ['ready', 'stopping', 'succeeded'], 5);
        await add(transaction, ['delayed'], -5);
        await add(transaction, ['failed'], 9);
      });

      await engine.migrate(database);

      const turns = await database.read
        .selectFrom('job_turns')
        .selectAll()
        .orderBy('priority')
        .execute();
      const lanes = await database.read
        .selectFrom('job_lanes')
        .selectAll()
        .orderBy('priority')
        .execute();
      const queues = await database.read
        .selectFrom('job_queues')
        .selectAll()
        .orderBy('name')
        .execute();
      const lane = { queue: 'mirror', route: 'hub', ready: 1, running: 1, vtime: 70 };
      assert.deepEqual(
        turns.map((turn) => ({ ...turn })),
        [-5, 0, 5].map((priority) => ({ priority, queue: 'mirror', vtime: 700 })),
      );
      assert.deepEqual(
        lanes.map((each) => ({ ...each })),
        [0, 5].map((priority) => ({ ...lane, priority })),
      );
      assert.deepEqual(
        queues.map((queue) => ({ ...queue })),
        [
          { name: 'idle', paused: 0 },
          { name: 'mirror', paused: 1 },
        ],
      );
    });
  });
}

/** A task in each of the states. */
async function add(
  transaction: WriteTransaction,
  states: readonly TaskState[],
  priority: number,
): Promise<void> {
  // Of a later version.
  const { id: _id, away_until: _later, ...task } = rows.tasks;
  for (const state of states) {
    const isOver = state === 'succeeded' || state === 'failed';
    const place = { queue: 'mirror', route: 'hub', priority, state, key: null };
    const changed = { ...task, ...place, ended_at: isOver ? 1 : null };
    await transaction.insertInto('tasks').values(changed).execute();
  }
}
