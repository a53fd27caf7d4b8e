import { sql } from 'kysely';
import { batchesOf } from '../database/batches.ts';
import type { Queries, WriteTransaction } from '../database/database.ts';
import { lockJobs } from './lock.ts';
import { type LogLine, MOST_LINES, type News } from './task-run.ts';

/** Writes how far tasks are, all of them in one statement, and what they said. Of a lease that is lost nothing is written. */
export async function writeProgress(
  transaction: WriteTransaction,
  news: readonly News[],
): Promise<void> {
  if (news.length === 0) return;
  await lockJobs(transaction);
  const cases = news.map(({ id, sent }) => sql`when ${id} then ${sent}`);
  const held = await transaction
    .updateTable('tasks')
    .set({
      // What is bound in a `case` has no type of its own on PostgreSQL.
      progress: sql<number>`cast(case id ${sql.join(cases, sql` `)} end as bigint)`,
    })
    .where('state', 'in', ['running', 'stopping'])
    .where((task) => task.or(news.map(({ id, epoch }) => task.and({ id, epoch }))))
    .returning('id')
    .execute();
  const ids = new Set(held.map(({ id }) => id));
  for (const { id, lines } of news) if (ids.has(id)) await writeLines(transaction, id, lines);
}

/** The last lines of a task are kept. */
export async function writeLines(
  transaction: WriteTransaction,
  task: number,
  lines: readonly LogLine[],
): Promise<void> {
  if (lines.length === 0) return;
  for (const batch of batchesOf(lines)) {
    await transaction
      .insertInto('task_log')
      .values(batch.map((line) => ({ ...line, task })))
      .execute();
  }
  const oldest = await transaction
    .selectFrom('task_log')
    .select('id')
    .where('task', '=', task)
    .orderBy('id', 'desc')
    .offset(MOST_LINES - 1)
    .limit(1)
    .executeTakeFirst();
  if (oldest === undefined) return;
  await transaction
    .deleteFrom('task_log')
    .where('task', '=', task)
    .where('id', '<', oldest.id)
    .execute();
}

/** The oldest first. */
export async function readLines(queries: Queries, task: number): Promise<readonly LogLine[]> {
  const lines = await queries
    .selectFrom('task_log')
    .select(['at', 'line'])
    .where('task', '=', task)
    .orderBy('id')
    .execute();
  return lines.map(({ at, line }) => ({ at, line }));
}
