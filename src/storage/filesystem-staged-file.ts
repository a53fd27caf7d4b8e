import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Digest } from '../oci/digest.ts';
import type { StagedFile } from './blob-store.ts';
import { takingRoom } from './system-errors.ts';

// A name within the folder, and nothing hidden: ids come from database rows.
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/** Where committed files go. */
export interface Destinations {
  pathOf(digest: Digest): string;
  /** Folders that this process made sure of, on disk with their names. */
  readonly made: Map<string, Promise<void>>;
}

/** Opens `<staging>/<id>`, made empty if there is none. @throws StorageFull */
export async function openStagedFile(
  staging: string,
  id: string,
  destinations: Destinations,
): Promise<StagedFile> {
  if (!ID.test(id)) throw new RangeError(`not a name for a staged file: ${id}`);
  const path = join(staging, id);
  const file = await takingRoom(() => open(path, constants.O_RDWR | constants.O_CREAT, 0o640));
  return new FilesystemStagedFile(id, { path, file, destinations });
}

/** What was renamed, made or removed in the folder survives a power cut once this resolves. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path);
  await directory.sync();
}

class FilesystemStagedFile implements StagedFile {
  readonly id: string;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #destinations: Destinations;
  #isNameSynced = false;
  /** Committed or given up: the name may be somebody else's. */
  #isNameless = false;
  #syncFailure: Error | undefined;

  constructor(id: string, parts: { path: string; file: FileHandle; destinations: Destinations }) {
    this.id = id;
    this.#path = parts.path;
    this.#file = parts.file;
    this.#destinations = parts.destinations;
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  async write(chunk: Uint8Array, position: number): Promise<void> {
    await takingRoom(async () => {
      for (let written = 0; written < chunk.length; ) {
        const { bytesWritten } = await this.#file.write(
          chunk,
          written,
          chunk.length - written,
          position + written,
        );
        written += bytesWritten;
      }
    });
  }

  async read(into: Buffer, position: number): Promise<number> {
    const { bytesRead } = await this.#file.read(into, 0, into.length, position);
    return bytesRead;
  }

  async sync(): Promise<void> {
    await this.#syncing(async () => {
      await this.#file.datasync();
      if (this.#isNameSynced) return;
      await syncDirectory(dirname(this.#path));
      this.#isNameSynced = true;
    });
  }

  async truncate(size: number): Promise<void> {
    await takingRoom(() => this.#file.truncate(size));
  }

  async commit(digest: Digest): Promise<void> {
    const destination = this.#destinations.pathOf(digest);
    await this.#syncing(() => this.#file.datasync());
    await takingRoom(async () => {
      await makeDirectory(dirname(destination), this.#destinations.made);
      // Atomic on one filesystem: a reader sees the whole blob or none, and the later of two equal ones replaces the first.
      await rename(this.#path, destination);
      this.#isNameless = true;
      await syncDirectory(dirname(destination));
    });
  }

  async discard(): Promise<void> {
    if (this.#isNameless) return;
    await rm(this.#path, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  /**
   * After a sync that failed the next one may succeed without the bytes being on disk, through another descriptor too
   * (LWN 752063): so there is no next one, and nobody finds the file under its name again.
   */
  async #syncing(work: () => Promise<void>): Promise<void> {
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    try {
      await takingRoom(work);
    } catch (error) {
      this.#syncFailure =
        error instanceof Error ? error : new Error('cannot sync', { cause: error });
      await this.discard().catch(() => {}); // The disk fails; what has to be heard of is the first failure.
      this.#isNameless = true;
      throw error;
    }
  }
}

/**
 * Makes the folder and the one above it, and syncs where their names stand. Done once a process and folder, by
 * whoever comes first: a folder that is there already may be one whose name is not on disk yet.
 */
async function makeDirectory(path: string, made: Map<string, Promise<void>>): Promise<void> {
  let making = made.get(path);
  if (making === undefined) {
    making = makeDurably(path);
    made.set(path, making);
    making.catch(() => made.delete(path));
  }
  await making;
}

async function makeDurably(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await syncDirectory(dirname(path));
  await syncDirectory(dirname(dirname(path)));
}
