import { PostgresAdapter } from 'kysely';
import type { Queries } from './database.ts';

/** Whether others may write at the same time, so that rows are locked one by one. SQLite has one writer, and no words for it. */
export function locksRows(queries: Queries): boolean {
  return queries.getExecutor().adapter instanceof PostgresAdapter;
}
