import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

/** How long a task was put off counts only as far as somebody went on to ask. */
export const tasksAwayUntil: Migration = {
  async up(transaction, { engine: { integer } }) {
    await sql.raw(`alter table tasks add column away_until ${integer}`).execute(transaction);
  },
};
