import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

/** What a registry puts off costs a task no attempt, so that something else has to end it. */
export const tasksAway: Migration = {
  async up(transaction, { engine: { integer } }) {
    await sql.raw(`alter table tasks add column away_since ${integer}`).execute(transaction);
  },
};
