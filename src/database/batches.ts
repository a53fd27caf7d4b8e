/** Values bound by one statement stay far below what the engines allow (SQLite 32766, PostgreSQL 65535). */
const BATCH = 500;

/** The items in their order, as many at once as one statement may name. */
export function* batchesOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH) {
    yield items.slice(start, start + BATCH);
  }
}
