import { z } from 'zod';
import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { ManagementError } from '../oci/management-error.ts';
import type { Reference } from '../oci/reference.ts';
import type { BlobReader, ReadOptions } from '../storage/blob-store.ts';
import { requireArtifact } from './artifact-rows.ts';

/** A step of the making of an image, as its config tells it (image-spec v1.1.1 "Image Configuration"). */
export type BuildStep = z.infer<typeof BuildStep>;

const BuildStep = z.object({
  created: z.string().optional(),
  author: z.string().optional(),
  created_by: z.string().optional(),
  comment: z.string().optional(),
  empty_layer: z.boolean().optional(),
});
const Config = z.object({ history: z.array(BuildStep).nullish() });

/** Bytes. Those of real images are a few KiB. */
const LARGEST_CONFIG = 4 * 1024 * 1024;

export interface BuildHistoryOptions {
  readonly database: Database;
  /** From here, or from upstream. */
  readonly openBlob: (
    repository: string,
    digest: Digest,
    options: { readonly signal: AbortSignal },
  ) => Promise<Pick<BlobReader, 'read'> & AsyncDisposable>;
}

export interface BuildHistory {
  /** Oldest step first. @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN; ManagementError BAD_REQUEST where it is no image */
  of(
    repository: string,
    reference: Reference,
    options: { readonly signal: AbortSignal },
  ): Promise<readonly BuildStep[]>;
}

export function createBuildHistory({ database, openBlob }: BuildHistoryOptions): BuildHistory {
  return {
    async of(repository, reference, { signal }) {
      const row = await requireArtifact(database.read, repository, reference);
      const config = await database.read
        .selectFrom('manifest_references')
        .select(['digest', 'size'])
        .where('manifest', '=', row.id)
        .where('kind', '=', 'config')
        .executeTakeFirst();
      if (config === undefined || config.size > LARGEST_CONFIG) throw unsupported();
      await using blob = await openBlob(repository, config.digest, { signal });
      const bytes = await beginningOf(blob, config.size, { signal });
      const parsed = Config.safeParse(jsonIn(bytes));
      if (!parsed.success) throw unsupported();
      return parsed.data.history ?? [];
    },
  };
}

async function beginningOf(
  blob: Pick<BlobReader, 'read'>,
  size: number,
  options: ReadOptions,
): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  for (let position = 0; position < bytes.length; ) {
    const length = await blob.read(bytes.subarray(position), position, options);
    if (length === 0) return bytes.subarray(0, position);
    position += length;
  }
  return bytes;
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function unsupported(): ManagementError {
  return new ManagementError('BAD_REQUEST', 'only images have a build_history');
}
