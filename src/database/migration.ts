import type { WriteTransaction } from './database.ts';
import type { Engine } from './engine.ts';

export interface MigrationFacts {
  readonly engine: Engine;
  /** Milliseconds UTC. */
  readonly now: number;
}

/** One step of the tables' history. Once released it never changes: it says what its time knew, in its own words. */
export interface Migration {
  up(transaction: WriteTransaction, facts: MigrationFacts): Promise<void>;
}
