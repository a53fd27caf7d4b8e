import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';

/** Which blob goes where. */
export interface UploadName {
  /** The registry's base URL. */
  readonly registry: string;
  /** As the registry keeps it: one that people call by two names is one. */
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
 * that was killed. Not found any more a day after they were opened: theirs end by themselves, after a week with distribution.
 */
export interface LeftUploads {
  find(name: UploadName): Promise<LeftUpload | undefined>;
  /** One that was just opened, in place of one of the same name. */
  keep(name: UploadName, upload: LeftUpload): Promise<void>;
  /** The session is at another URL now; nothing where it was not kept. */
  moved(name: UploadName, url: string): Promise<void>;
  /** One that is not there is no error. */
  forget(name: UploadName): Promise<void>;
}

/** What the endpoints of a process have of them together. */
export interface Uploads {
  readonly left: LeftUploads;
  /** Pushes that run now, by {@link keyOf}: what one of them has opened is nothing that was left. */
  readonly underWay: Set<string>;
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
    async moved(name, url) {
      const known = left.get(keyOf(name));
      if (known !== undefined) left.set(keyOf(name), { ...known, url }, { noUpdateTTL: true });
    },
    async forget(name) {
      left.delete(keyOf(name));
    },
  };
}

export function keyOf({ registry, repository, digest }: UploadName): string {
  return `${registry} ${repository} ${digest}`;
}
