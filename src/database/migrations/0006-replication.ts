/** What operators want copied. How far each copy is, the tables of executions and tasks tell. */
import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

export const replication: Migration = {
  async up(transaction, { engine: { id, integer, text, table } }) {
    const statements = [
      `create table replication_policies (
        id ${id},
        name ${text} not null unique,
        enabled ${integer} not null,
        declared ${integer} not null,
        rules ${text} not null,
        filters ${text},
        created_at ${integer} not null,
        updated_at ${integer} not null
      ) ${table}`,
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};
