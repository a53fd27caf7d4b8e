import { PostgresAdapter } from 'kysely';
import type { Queries } from './database.ts';

/** Whether other processes may write at the same time. SQLite has one writer, and no words for locks. */
export function hasSeveralWriters(queries: Queries): boolean {
  return queries.getExecutor().adapter instanceof PostgresAdapter;
}
