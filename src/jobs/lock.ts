import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import { hasSeveralWriters } from '../database/several-writers.ts';

/** A number that no other lock of the database has. */
const JOBS = 5;

/**
 * Whoever moves tasks is alone with them until its transaction ends: a move is many rows (lanes, turns, counters, who follows whom),
 * and two that saw half of each other would leave a follower behind that nobody promotes, or wait for each other for ever.
 * It is the first thing that such a transaction does with tables of jobs, and may be done again in it (docs/decisions/0014-one-lock-for-jobs.md).
 */
export async function lockJobs(transaction: WriteTransaction): Promise<void> {
  if (!hasSeveralWriters(transaction)) return;
  await sql`select pg_advisory_xact_lock(${sql.lit(JOBS)})`.execute(transaction);
}
