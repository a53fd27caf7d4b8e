import type { Database } from '../database/database.ts';
import type { LeftUploadRow } from '../database/replication-tables.ts';

/** As `registry/left-uploads.ts` has them, whose rows these are. */
type UploadName = Pick<LeftUploadRow, 'registry' | 'repository' | 'digest'>;

interface LeftUpload {
  readonly url: string;
  readonly leastChunkBytes: number;
}

/** Uploads to other registries that are not done, across restarts of this node. */
export interface LeftUploads {
  find(name: UploadName): Promise<LeftUpload | undefined>;
  /** One that was just opened, in place of one of the same name. Those that are too old go. */
  keep(name: UploadName, upload: LeftUpload): Promise<void>;
  /** The session is at another URL now; nothing where it was not kept. */
  moved(name: UploadName, url: string): Promise<void>;
  /** One that is not there is no error. */
  forget(name: UploadName): Promise<void>;
}

export interface LeftUploadsOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long one is kept. */
  readonly keptMs: number;
}

export function createLeftUploads({ database, now, keptMs }: LeftUploadsOptions): LeftUploads {
  return {
    async find(name) {
      const row = await database.read
        .selectFrom('left_uploads')
        .select(['url', 'least_chunk'])
        .where((is) => is.and(name))
        .where('opened_at', '>', now() - keptMs)
        .executeTakeFirst();
      return row && { url: row.url, leastChunkBytes: row.least_chunk };
    },

    async keep(name, { url, leastChunkBytes }) {
      const value = { url, least_chunk: leastChunkBytes, opened_at: now() };
      await database.write(async (transaction) => {
        await transaction
          .deleteFrom('left_uploads')
          .where('opened_at', '<=', now() - keptMs)
          .execute();
        await transaction
          .insertInto('left_uploads')
          .values({ ...name, ...value })
          .onConflict((conflict) =>
            conflict.columns(['registry', 'repository', 'digest']).doUpdateSet(value),
          )
          .execute();
      });
    },

    async moved(name, url) {
      await database.write((transaction) =>
        transaction
          .updateTable('left_uploads')
          .set({ url })
          .where((is) => is.and(name))
          .execute(),
      );
    },

    async forget(name) {
      await database.write((transaction) =>
        transaction
          .deleteFrom('left_uploads')
          .where((is) => is.and(name))
          .execute(),
      );
    },
  };
}
