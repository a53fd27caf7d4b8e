import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { LRUCache } from 'lru-cache';

/** Texts differ by the lengths of `in (…)` lists too, so that there is no natural bound. */
const MOST_STATEMENTS = 1000;

/**
 * What Kysely's SQLite dialect asks of a driver, over `node:sqlite`. Statements are prepared once for each text:
 * Kysely asks for a new one on every call, which makes a point select three times as dear (docs/performance.md 5).
 */
export function cachingStatements(connection: DatabaseSync): SqliteDatabase {
  const statements = new LRUCache<string, SqliteStatement>({ max: MOST_STATEMENTS });
  return {
    prepare(sql) {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const statement = statementOf(connection.prepare(sql), () => connection.prepare(sql));
      statements.set(sql, statement);
      return statement;
    },
    close() {
      statements.clear();
      connection.close();
    },
  };
}

function statementOf(statement: StatementSync, another: () => StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...parameters.map(inputOf)),
    run: (parameters) => statement.run(...parameters.map(inputOf)),
    // A stream outlives the call, and the cached statement may run again meanwhile.
    iterate: (parameters) => another().iterate(...parameters.map(inputOf)),
  };
}

function inputOf(value: unknown): SQLInputValue {
  if (isInput(value)) return value;
  throw new TypeError(`not a value that a column can hold: ${typeof value}`);
}

function isInput(value: unknown): value is SQLInputValue {
  return (
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value === null ||
    ArrayBuffer.isView(value)
  );
}
