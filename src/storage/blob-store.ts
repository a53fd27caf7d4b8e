import type { Digest } from '../oci/digest.ts';

/** Waiting on bytes that are still arriving has an owner; aborting rejects with `signal.reason`. */
export interface ReadOptions {
  readonly signal: AbortSignal;
}

/** Bytes by position, whether the blob lies whole in storage or is still arriving from upstream. */
export interface BlobReader extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /** The whole content, where it is small and in memory already. */
  readonly bytes?: Buffer | undefined;
  /** Reads into the start of `into`; waits for what has not arrived yet. Resolves to the bytes read, 0 only at the end. */
  read(into: Buffer, position: number, options: ReadOptions): Promise<number>;
}

/** A file being written, by name, that survives a restart of the node until it is committed or discarded. */
export interface StagedFile extends AsyncDisposable {
  readonly id: string;
  /** Bytes written so far, holes included. */
  size(): Promise<number>;
  /** @throws StorageFull */
  write(chunk: Uint8Array, position: number): Promise<void>;
  /** Resolves to the bytes read, 0 past the end. */
  read(into: Buffer, position: number): Promise<number>;
  /**
   * What was written before survives a power cut once this resolves. Where syncing failed, here or in `commit`, the file
   * is gone, and every further call of the two rejects with the same error. @throws StorageFull
   */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  /**
   * Synced, renamed and the directory synced: from here on it is the blob. The caller has verified size and digest.
   * Two files committed to one digest agree. @throws StorageFull
   */
  commit(digest: Digest): Promise<void>;
  /** Removes it; harmless when it is gone already, or committed. */
  discard(): Promise<void>;
}

export interface StorageSpace {
  /** Bytes of the filesystem. */
  readonly total: number;
  /** Bytes that this node may still use. */
  readonly free: number;
}

/** Where blob bytes lie. Every driver passes `test/storage/conformance.ts`. */
export interface BlobStore extends AsyncDisposable {
  /** Small blobs come with their `bytes`. @throws OciError BLOB_UNKNOWN */
  open(digest: Digest): Promise<BlobReader>;
  /** Bytes in the blob, undefined where there is none. */
  size(digest: Digest): Promise<number | undefined>;
  /** Running reads go on to their end; a blob that is not there is no error. */
  remove(digest: Digest): Promise<void>;
  /**
   * Digests of all blobs, in no order, with a few of them in memory at a time. Those that are committed or removed
   * meanwhile come or do not; what is no blob is left out.
   */
  stored(): AsyncIterable<Digest>;
  /** Opens the staged file of that name, made empty if there is none. */
  stage(id: string): Promise<StagedFile>;
  /** Names of all staged files. */
  staged(): Promise<readonly string[]>;
  space(): Promise<StorageSpace>;
  /** Where a blob lies below the driver's folder (`blobs/sha256/ab/…`), for a front server that sends it itself. */
  pathOf?(digest: Digest): string;
}
