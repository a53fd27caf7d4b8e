import type { Database } from './database.ts';

/**
 * Keeps in memory what `load` reads, and reads it again only after something was committed. Those who ask at the same
 * time share one reading. `load` gets what it gave before, so that it can give the same object where nothing changed.
 */
export function remembered<T>(
  database: Database,
  load: (before: T | undefined) => Promise<T>,
): () => Promise<T> {
  let known: { readonly revision: number; readonly value: Promise<T> } | undefined;
  let before: T | undefined;

  return async () => {
    const revision = database.revision();
    if (known?.revision === revision) return known.value;
    // The revision is older than what is read, never newer: a commit between the two makes the next one read again.
    const value = load(before);
    known = { revision, value };
    try {
      before = await value;
      return before;
    } catch (error) {
      if (known?.value === value) known = undefined;
      throw error;
    }
  };
}
