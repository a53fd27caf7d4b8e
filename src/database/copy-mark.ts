/**
 * Copies of the metadata are marked, since a node that starts from one gives seqs to its changes that the original has
 * given to others: its feed needs an epoch that nobody has seen. It takes one only then, so that two nodes that start
 * from one copy do not share it.
 */
import { sql } from 'kysely';
import type { Database } from './database.ts';

/** SQLite keeps this number for the program, in every version of the tables, and nothing else here uses it. */
export const MARK_COPY = 'pragma user_version = 1';
const UNMARK = 'pragma user_version = 0';

/** Of a marked copy, the time, as no other start has it; more than the epoch before in any case. */
export async function startNewEpoch(database: Database, now: number): Promise<void> {
  const { rows } = await sql<{ user_version: number }>`pragma user_version`.execute(database.read);
  // A start that has nothing to write needs no room on the disk.
  if (rows[0]?.user_version === 0) return;
  await database.write(async (transaction) => {
    const { feed_epoch } = await transaction
      .selectFrom('instance')
      .select('feed_epoch')
      .executeTakeFirstOrThrow();
    await transaction
      .updateTable('instance')
      .set({ feed_epoch: Math.max(feed_epoch + 1, now) })
      .execute();
    await sql.raw(UNMARK).execute(transaction);
  });
}
