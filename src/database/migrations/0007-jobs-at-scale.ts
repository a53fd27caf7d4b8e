/** What lets a question about one of very many tasks be answered without reading the others; and how long a host has failed. */
import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

export const jobsAtScale: Migration = {
  async up(transaction, { engine: { integer } }) {
    const statements = [
      // Whether an execution has a task of that key.
      'create index tasks_keyed on tasks (execution, key) where key is not null and ended_at is null',
      `alter table job_hosts add column failing_since ${integer}`,
      // The one that waits longest.
      "create index tasks_oldest on tasks (created_at) where state = 'ready'",
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};
