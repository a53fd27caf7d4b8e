import type { Digest } from '../oci/digest.ts';
import type { StagedFile } from '../storage/blob-store.ts';
import type { FilledOwnership } from './fill-source.ts';
import type { Intervals } from './intervals.ts';

/** A fill as it survives a restart of the node. */
export interface FillRecord {
  readonly digest: Digest;
  /** The canonical repository whose upstream is asked. */
  readonly repository: string;
  /** Bytes. */
  readonly size: number;
  /** What is in the staged file, synced. */
  readonly intervals: Intervals;
  /** The name of the staged file. */
  readonly staged: string;
}

export interface StartedFill extends FillRecord {
  /** Milliseconds UTC. */
  readonly startedAt: number;
}

/** Where fills are written down: the catalog has it. */
export interface FillRecords {
  list(): Promise<readonly StartedFill[]>;
  start(record: FillRecord): Promise<void>;
  /** Only what was synced before. */
  progress(digest: Digest, intervals: Intervals): Promise<void>;
  /** Forgets it, whether it was kept or not; one that is not there is no error. */
  finish(digest: Digest): Promise<void>;
}

/** Where blobs go when they are whole: the catalog has it. */
export interface FilledBlobs {
  /** Linked to that repository and present. */
  find(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined>;
  /** Commits the staged file and links it, where its project is that one. @throws StorageFull, OciError NAME_UNKNOWN */
  keep(
    staged: StagedFile,
    blob: {
      readonly digest: Digest;
      readonly size: number;
      readonly repository: string;
      readonly ownership: FilledOwnership;
      readonly project: number | undefined;
    },
  ): Promise<void>;
  /** Links a blob that is present already, where its project is that one. @throws OciError NAME_UNKNOWN */
  link(
    repository: string,
    digest: Digest,
    ownership: FilledOwnership,
    options: { readonly project: number | undefined },
  ): Promise<void>;
}
