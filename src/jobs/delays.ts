import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { TaskState } from '../database/job-tables.ts';
import type { RetryRules } from './failing.ts';
import { MOST_AHEAD_MS } from './hosts.ts';

/** What waits for later than any task is put off to was put off while a clock was wrong: its time has come. */
export async function endWrongDelays(
  transaction: WriteTransaction,
  { now, rules }: { readonly now: number; readonly rules: RetryRules },
): Promise<void> {
  await transaction
    .updateTable('tasks')
    .set({ run_at: now })
    // Written out: what is bound finds no index of some rows alone.
    .where('state', '=', sql.lit<TaskState>('delayed'))
    .where('run_at', '>', now + MOST_AHEAD_MS + rules.capMs)
    .execute();
}
