import type { Kysely, Transaction } from 'kysely';
import type { Tables } from './tables.ts';

/** A transaction of the writer: what is written through it becomes visible and durable together, or not at all. */
export type WriteTransaction = Transaction<Tables>;
/** Either side, for queries that both need. */
export type Queries = Kysely<Tables>;

/** The metadata database, whichever engine is behind it. */
export interface Database extends AsyncDisposable {
  /** Sees only what is committed; cannot write. */
  readonly read: Queries;
  /**
   * Runs `work` in a transaction and resolves once it is durable. No network and no file is touched inside `work`:
   * it holds the one writer, and calls that wait for it share a commit. Rejects with what `work` threw, and then
   * nothing of it is kept.
   */
  write<T>(work: (transaction: WriteTransaction) => Promise<T>): Promise<T>;
  /** Differs from its last value once anything was committed, by this process or another: what memory caches check. */
  revision(): number;
}
