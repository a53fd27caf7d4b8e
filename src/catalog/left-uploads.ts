import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';

/** Which blob goes where: see `registry/left-uploads.ts`, which this is for. */
interface UploadName {
  readonly registry: string;
  readonly repository: string;
  readonly digest: Digest;
}

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
    async find({ registry, repository, digest }) {
      const row = await database.read
        .selectFrom('left_uploads')
        .select(['url', 'least_chunk'])
        .where('registry', '=', registry)
        .where('repository', '=', repository)
        .where('digest', '=', digest)
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

    async moved({ registry, repository, digest }, url) {
      await database.write((transaction) =>
        transaction
          .updateTable('left_uploads')
          .set({ url })
          .where('registry', '=', registry)
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .execute(),
      );
    },

    async forget({ registry, repository, digest }) {
      await database.write((transaction) =>
        transaction
          .deleteFrom('left_uploads')
          .where('registry', '=', registry)
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .execute(),
      );
    },
  };
}
