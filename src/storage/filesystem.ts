/**
 * Blobs as files, on one filesystem:
 *
 *     <root>/
 *     ├── blobs/<algorithm>/<first two hex>/<hex>   complete and verified, never rewritten
 *     └── staging/<id>                              being written; survives a restart
 *
 * A staged file becomes a blob in this order: its content is synced, it is renamed, the directory is synced. Without
 * the last step ext4 and xfs were seen to forget the rename when power was cut (2026-11-21).
 */
import type { Dir } from 'node:fs';
import { mkdir, opendir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LRUCache } from 'lru-cache';
import { type Digest, isDigest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { BlobReader, BlobStore, StagedFile, StorageSpace } from './blob-store.ts';
import { type Destinations, openStagedFile, syncDirectory } from './filesystem-staged-file.ts';
import { type FileLease, OpenFiles } from './open-files.ts';
import { failedWith, takingRoom } from './system-errors.ts';

/** Configs and tiny layers: from memory they cost a quarter of the processor time (docs/performance.md 6). */
const SMALL_BYTES = 64 * 1024;
/** What an entry of the memory cache costs beside its bytes, so that many empty blobs stay bounded too. */
const ENTRY_BYTES = 512;

export interface FilesystemOptions {
  /** Small blobs are kept in memory up to this much. Bytes. */
  readonly memoryBytes?: number;
  /** Files that stay open for the next reader. */
  readonly openFiles?: number;
}

/** Opens the folder, made if it is not there. One process at a time may have it open. @throws StorageFull */
export async function openFilesystem(
  folder: string,
  { memoryBytes = 64 * 1024 * 1024, openFiles = 512 }: FilesystemOptions = {},
): Promise<BlobStore> {
  const root = resolve(folder);
  await takingRoom(() => makeFolders(root));
  return new Filesystem(root, { memoryBytes, openFiles });
}

/** The names of those that are there already are synced too: whoever made them may not have come that far. */
async function makeFolders(root: string): Promise<void> {
  const first = await mkdir(join(root, 'blobs'), { recursive: true });
  await mkdir(join(root, 'staging'), { recursive: true });
  const isAbove = first !== undefined && first.length < root.length;
  const top = dirname(isAbove ? first : root);
  for (let path = root; ; path = dirname(path)) {
    await syncDirectory(path);
    if (path === top) return;
  }
}

class Filesystem implements BlobStore {
  readonly #root: string;
  readonly #staging: string;
  readonly #small: LRUCache<Digest, Buffer>;
  readonly #files: OpenFiles;
  readonly #destinations: Destinations;

  constructor(root: string, options: Required<FilesystemOptions>) {
    this.#root = root;
    this.#staging = join(root, 'staging');
    this.#small = new LRUCache({
      maxSize: Math.max(options.memoryBytes, 1),
      sizeCalculation: (bytes) => bytes.length + ENTRY_BYTES,
    });
    this.#files = new OpenFiles(options.openFiles);
    this.#destinations = { pathOf: (digest) => this.#path(digest), made: new Map() };
  }

  async open(digest: Digest): Promise<BlobReader> {
    const known = this.#small.get(digest);
    if (known !== undefined) return memoryReader(known);
    const lease = await this.#acquire(digest);
    return lease.size > SMALL_BYTES
      ? fileReader(lease)
      : memoryReader(await this.#load(digest, lease));
  }

  async size(digest: Digest): Promise<number | undefined> {
    const known = this.#small.peek(digest);
    if (known !== undefined) return known.length;
    try {
      return (await stat(this.#path(digest))).size;
    } catch (error) {
      if (failedWith(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#path(digest), { force: true });
    // After the file is gone: an open that raced with this has entered the caches by now, and a later one fails.
    this.#small.delete(digest);
    this.#files.retire(digest);
  }

  async *stored(): AsyncGenerator<Digest> {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      for (let prefix = 0; prefix < 256; prefix++) {
        const folder = `blobs/${algorithm}/${prefix.toString(16).padStart(2, '0')}`;
        for await (const name of filesIn(join(this.#root, folder))) {
          const digest = `${algorithm}:${name}`;
          // Not one in a wrong folder either: nobody would find it by its digest.
          if (isDigest(digest) && this.pathOf(digest) === `${folder}/${name}`) yield digest;
        }
      }
    }
  }

  async stage(id: string): Promise<StagedFile> {
    return openStagedFile(this.#staging, id, this.#destinations);
  }

  async staged(): Promise<readonly string[]> {
    return readdir(this.#staging);
  }

  async space(): Promise<StorageSpace> {
    const { bsize, blocks, bavail } = await statfs(this.#root);
    return { total: bsize * blocks, free: bsize * bavail };
  }

  pathOf(digest: Digest): string {
    const [algorithm = '', hex = ''] = digest.split(':');
    return `blobs/${algorithm}/${hex.slice(0, 2)}/${hex}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#small.clear();
    await this.#files[Symbol.asyncDispose]();
  }

  #path(digest: Digest): string {
    return join(this.#root, this.pathOf(digest));
  }

  async #acquire(digest: Digest): Promise<FileLease> {
    try {
      return await this.#files.acquire(digest, this.#path(digest));
    } catch (cause) {
      if (failedWith(cause, 'ENOENT'))
        throw new OciError('BLOB_UNKNOWN', { detail: digest, cause });
      throw cause;
    }
  }

  async #load(digest: Digest, lease: FileLease): Promise<Buffer> {
    await using held = lease;
    const bytes = await held.whole();
    if (!held.isRetired) {
      this.#small.set(digest, bytes);
      this.#files.retire(digest);
    }
    return bytes;
  }
}

/** Names, read from the disk some at a time; none where there is no such folder. */
async function* filesIn(folder: string): AsyncGenerator<string> {
  let entries: Dir;
  try {
    entries = await opendir(folder);
  } catch (error) {
    if (failedWith(error, 'ENOENT') || failedWith(error, 'ENOTDIR')) return;
    throw error;
  }
  for await (const entry of entries) {
    if (entry.isFile()) yield entry.name;
  }
}

function fileReader(lease: FileLease): BlobReader {
  return {
    size: lease.size,
    async read(into, position, { signal }) {
      signal.throwIfAborted();
      return lease.read(into, position);
    },
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

function memoryReader(bytes: Buffer): BlobReader {
  return {
    size: bytes.length,
    bytes,
    async read(into, position, { signal }) {
      signal.throwIfAborted();
      return bytes.copy(into, 0, Math.min(position, bytes.length));
    },
    async [Symbol.asyncDispose]() {},
  };
}
