/** Uploads to other registries that a process left. */
import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

export const leftUploads: Migration = {
  async up(transaction, { engine: { text, integer, keyedTable } }) {
    const statements = [
      `create table left_uploads (
        registry ${text} not null,
        repository ${text} not null,
        digest ${text} not null,
        url ${text} not null,
        least_chunk ${integer} not null,
        opened_at ${integer} not null,
        primary key (registry, repository, digest)
      ) ${keyedTable}`,
      'create index left_uploads_opened on left_uploads (opened_at)',
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};
