import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

/** Who follows an execution asks again and again what ended since. */
export const taskEndings: Migration = {
  async up(transaction) {
    const statement =
      'create index tasks_ended on tasks (execution, ended_at, id) where ended_at is not null';
    await sql.raw(statement).execute(transaction);
  },
};
