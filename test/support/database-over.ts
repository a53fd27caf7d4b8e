import type { Kysely } from 'kysely';
import type { Database } from '../../src/database/database.ts';
import type { Tables } from '../../src/database/tables.ts';
import { Writer } from '../../src/database/writer.ts';

/** Reads and writes by the same connections, which are not closed with it. It sees no commit of another process in its revision. */
export function databaseOver(read: Kysely<Tables>): Database {
  let revision = 0;
  const writer = new Writer(read, () => {
    revision += 1;
  });
  return {
    read,
    write: (work) => writer.write(work),
    revision: () => revision,
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
