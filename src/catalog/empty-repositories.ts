import { setImmediate as turn } from 'node:timers/promises';
import type { Database, Queries } from '../database/database.ts';

/** Looked at, and dropped, at once: nobody waits long behind them. */
const BATCH = 500;

export interface DropOptions {
  /** Made until then. Milliseconds UTC. */
  readonly before: number;
  /** Aborting ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes away the rows of repositories that came to nothing: an upload makes one under any name, and may never be finished.
 * What was ever tagged has a history, and stays.
 *
 * @returns how many
 */
export async function dropEmptyRepositories(
  database: Database,
  { before, signal }: DropOptions,
): Promise<number> {
  let dropped = 0;
  let page = await idsAfter(database.read, 0);
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    if (signal?.aborted === true) break;
    const found = await emptyOf(database.read, page, before).execute();
    if (found.length > 0) {
      const ids = found.map(({ id }) => id);
      dropped += await database.write(async (transaction) => {
        const { numDeletedRows } = await transaction
          .deleteFrom('repositories')
          // Somebody may have begun to push since.
          .where('id', 'in', emptyOf(transaction, ids, before))
          .executeTakeFirst();
        return Number(numDeletedRows);
      });
    }
    // The embedded database answers in the same turn of the event loop, so that nobody else would have one.
    await turn();
    page = await idsAfter(database.read, last);
  }
  return dropped;
}

async function idsAfter(queries: Queries, id: number): Promise<readonly number[]> {
  const rows = await queries
    .selectFrom('repositories')
    .select('id')
    .where('id', '>', id)
    .orderBy('id')
    .limit(BATCH)
    .execute();
  return rows.map((row) => row.id);
}

function emptyOf(queries: Queries, ids: readonly number[], before: number) {
  let rows = queries
    .selectFrom('repositories')
    .select('repositories.id')
    .where('repositories.id', 'in', ids)
    .where('repositories.created_at', '<=', before)
    .where('repositories.description', '=', '');
  for (const table of ['manifests', 'blob_links', 'tags', 'tag_history', 'uploads'] as const) {
    rows = rows.where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom(table)
            .select(`${table}.repository`)
            .whereRef(`${table}.repository`, '=', 'repositories.id'),
        ),
      ),
    );
  }
  return rows;
}
