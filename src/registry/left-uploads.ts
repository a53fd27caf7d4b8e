import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';

/** Which blob goes where. */
export interface UploadName {
  /** The registry's base URL. */
  readonly registry: string;
  /** As the registry keeps it. */
  readonly repository: string;
  readonly digest: Digest;
}

/** An upload session as it can be gone on with. */
export interface LeftUpload {
  readonly url: string;
  /** Bytes; 0 where the registry does not say. */
  readonly leastChunkBytes: number;
}

/**
 * Uploads to other registries that are not done: given up because a registry did not answer any more, or left by a process
 * that was killed. One that is kept for longer than a day is forgotten: theirs end by themselves, after a week with distribution.
 */
export interface LeftUploads {
  find(name: UploadName): Promise<LeftUpload | undefined>;
  /** In place of one of the same name. */
  keep(name: UploadName, upload: LeftUpload): Promise<void>;
  /** One that is not there is no error. */
  forget(name: UploadName): Promise<void>;
}

export const LEFT_MS = 24 * 60 * 60_000;
const MOST_LEFT = 1_000;

/** In this process alone. */
export function createLeftUploads(): LeftUploads {
  const left = new LRUCache<string, LeftUpload>({ max: MOST_LEFT, ttl: LEFT_MS });
  return {
    find: async (name) => left.get(keyOf(name)),
    async keep(name, upload) {
      left.set(keyOf(name), upload);
    },
    async forget(name) {
      left.delete(keyOf(name));
    },
  };
}

export function keyOf({ registry, repository, digest }: UploadName): string {
  return `${registry} ${repository} ${digest}`;
}
