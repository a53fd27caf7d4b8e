import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import type { FillRow } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';

/** Half-open, in bytes. */
export type Interval = readonly [start: number, end: number];

/** A blob on its way in from upstream, as far as a restart of the node has to know it. */
export interface Fill {
  readonly digest: Digest;
  /** The canonical repository whose upstream is asked. */
  readonly repository: string;
  /** Bytes. */
  readonly size: number;
  /** The name of the staged file. */
  readonly staged: string;
  /** Sorted, apart from each other; staged and synced. */
  readonly intervals: readonly Interval[];
  /** Milliseconds UTC. */
  readonly startedAt: number;
}

/** The fills that are running, one for each digest. */
export interface Fills {
  /** Oldest first. */
  list(): Promise<readonly Fill[]>;
  /** Rejects where the digest has a fill already. */
  start(fill: Omit<Fill, 'startedAt'>): Promise<void>;
  /** Written after the bytes are synced, never before. */
  progress(digest: Digest, intervals: readonly Interval[]): Promise<void>;
  /** Forgets it, done or given up; one that is not there is no error. */
  finish(digest: Digest): Promise<void>;
}

export function createFills(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): Fills {
  const { database, now } = options;
  return {
    async list() {
      const rows = await database.read
        .selectFrom('fills')
        .selectAll()
        .orderBy('started_at')
        .orderBy('digest')
        .execute();
      return rows.map(fillOf);
    },

    async start({ intervals, digest, repository, size, staged }) {
      const at = now();
      const row = { digest, repository, size, staged, intervals: JSON.stringify(intervals) };
      await database.write((transaction) =>
        transaction
          .insertInto('fills')
          .values({ ...row, started_at: at, updated_at: at })
          .execute(),
      );
    },

    async progress(digest, intervals) {
      await database.write((transaction) =>
        transaction
          .updateTable('fills')
          .set({ intervals: JSON.stringify(intervals), updated_at: now() })
          .where('digest', '=', digest)
          .execute(),
      );
    },

    async finish(digest) {
      await database.write((transaction) =>
        transaction.deleteFrom('fills').where('digest', '=', digest).execute(),
      );
    },
  };
}

const Intervals = z.array(z.tuple([z.int(), z.int()]));

function fillOf(row: Selectable<FillRow>): Fill {
  const { digest, repository, size, staged } = row;
  const intervals = Intervals.parse(JSON.parse(row.intervals));
  return { digest, repository, size, staged, intervals, startedAt: row.started_at };
}
