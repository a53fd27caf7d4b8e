import type { DatabaseSync } from 'node:sqlite';

/**
 * Tells whether anything was committed, by `PRAGMA data_version` of a connection that writes nothing itself. It is asked
 * once in a turn of the event loop at most: one request asks several times, and the pragma costs two system calls (2 µs).
 */
export class Revision {
  readonly #ask: () => number;
  #known: number | undefined;

  constructor(connection: DatabaseSync) {
    const statement = connection.prepare('pragma data_version');
    this.#ask = () => {
      const version = statement.get()?.['data_version'];
      if (typeof version !== 'number') throw new Error('SQLite tells no data_version');
      return version;
    };
  }

  current(): number {
    if (this.#known !== undefined) return this.#known;
    setImmediate(() => this.forget());
    this.#known = this.#ask();
    return this.#known;
  }

  /** This process committed: the next question must see it. */
  forget(): void {
    this.#known = undefined;
  }
}
