import type { ControlledTransaction, Kysely } from 'kysely';
import type { WriteTransaction } from './database.ts';
import type { Tables } from './tables.ts';

/** Bounds how long the first of a group waits for its commit. */
const MOST_GROUPED = 256;
const SAVEPOINT = 'one_write';

interface Waiting {
  /** Resolves to what tells the caller of success, to be called once it is durable. */
  run(transaction: WriteTransaction): Promise<() => void>;
  /** Tells the caller that nothing of it is kept. */
  fail(error: unknown): void;
}

/**
 * The one writer of a database. Writes that wait share a transaction, and so one sync of the disk; each has a savepoint
 * in it, so that one that fails takes back its own and nothing else. Only where the engine ends the transaction by
 * itself (a full disk, a disk that fails) does all of the group fail, with that error.
 */
export class Writer implements AsyncDisposable {
  readonly #connection: Kysely<Tables>;
  readonly #committed: () => void;
  readonly #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  /** `committed` is called after each commit, before any of its callers hears of it. */
  constructor(connection: Kysely<Tables>, committed: () => void) {
    this.#connection = connection;
    this.#committed = committed;
  }

  /** Rejects with what `work` threw, or with what made the commit of its whole group fail. */
  write<T>(work: (transaction: WriteTransaction) => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new Error('the database is closed'));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#queue.push({
      async run(transaction) {
        const value = await work(transaction);
        return () => resolve(value);
      },
      fail: reject,
    });
    this.#running ??= this.#drain();
    return promise;
  }

  /** Whatever was asked for before is committed first. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #drain(): Promise<void> {
    // Requests that came in with this one are read in the same turn of the event loop: their writes can join.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#commitGroup();
    this.#running = undefined;
  }

  async #commitGroup(): Promise<void> {
    const group: Waiting[] = [];
    const settled: (() => void)[] = [];
    let transaction: ControlledTransaction<Tables> | undefined;
    try {
      transaction = await this.#connection.startTransaction().execute();
      while (group.length < MOST_GROUPED) {
        const next = this.#queue.shift();
        if (next === undefined) break;
        group.push(next);
        const settle = await runAlone(next, transaction);
        if (settle !== undefined) settled.push(settle);
      }
      await transaction.commit().execute();
    } catch (error) {
      // Fails, harmlessly, where the engine has ended it by itself.
      await transaction?.rollback().execute().catch(ignored);
      // It did not even begin: those who wait must hear of it.
      if (transaction === undefined) group.push(...this.#queue.splice(0));
      for (const waiting of group) waiting.fail(error);
      return;
    }
    this.#committed();
    for (const settle of settled) settle();
  }
}

/** Resolves to undefined where the work failed, which its caller knows by then. */
async function runAlone(
  waiting: Waiting,
  group: ControlledTransaction<Tables>,
): Promise<(() => void) | undefined> {
  const transaction = await group.savepoint(SAVEPOINT).execute();
  try {
    const settle = await waiting.run(transaction);
    await transaction.releaseSavepoint(SAVEPOINT).execute();
    return settle;
  } catch (error) {
    await takeBack(transaction, error);
    waiting.fail(error);
    return undefined;
  }
}

/** @throws the reason, where the engine has ended the whole transaction over it, as SQLite does on a full disk */
async function takeBack(
  transaction: ControlledTransaction<Tables, [typeof SAVEPOINT]>,
  reason: unknown,
): Promise<void> {
  try {
    await transaction.rollbackToSavepoint(SAVEPOINT).execute();
    await transaction.releaseSavepoint(SAVEPOINT).execute();
  } catch {
    throw reason;
  }
}

function ignored(): void {}
