/**
 * A backup is a tar file of a data folder as it was at one moment:
 *
 *     VERSION
 *     master.key                what opens the metadata's secrets, where it lies in the data folder
 *     blobs/<algorithm>/…       every blob that the metadata names
 *     portolan.db               the metadata
 *
 * The metadata is copied first. Blobs that it names stay on disk while the folder is held, so they can follow while
 * the node goes on. A cached one may have made room all the same: it is taken out of the copy.
 */
import { mkdtempDisposable, open, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { masterKeyFile } from '../access/master-key.ts';
import { databaseFile, holdForCopy } from '../database/data-folder.ts';
import { snapshotTo } from '../database/snapshot.ts';
import { openSqlite } from '../database/sqlite.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { BlobReader, BlobStore } from '../storage/blob-store.ts';
import { openFilesystem } from '../storage/filesystem.ts';
import { forgetBlob, forgetUnfinished, namedBlobs } from './backup-metadata.ts';
import { CommandFailed } from './command-failed.ts';
import { assertCurrentData } from './current-data.ts';
import { type TarWriter, writeTar } from './tar-file.ts';

export interface BackupOptions {
  readonly dataFolder: string;
  /** Replaced once the backup is whole and durable. */
  readonly file: string;
}

export interface BackupDone {
  readonly blobs: number;
  /** Of the blobs. */
  readonly bytes: number;
  /** Cached blobs that made room for others while the backup ran. */
  readonly leftOut: number;
}

/**
 * Writes the backup of a data folder, whether a node uses it or not.
 *
 * @throws CommandFailed, DataTooNew, and what the system says of the files; then `file` is what it was
 */
export async function backup({ dataFolder, file }: BackupOptions): Promise<BackupDone> {
  const folder = resolve(dataFolder);
  const target = resolve(file);
  await assertCurrentData(folder);
  await using scratch = await mkdtempDisposable(join(dirname(target), '.portolan-backup-'));
  const metadata = join(scratch.path, 'metadata');
  using _ = await holdForCopy(folder);
  const masterKey = await masterKeyIn(folder);
  await snapshotTo(metadata, databaseFile(folder));
  assertSame(masterKey, await masterKeyIn(folder));
  await using store = await openFilesystem(folder, { memoryBytes: 0 });
  const partial = join(scratch.path, basename(target));
  const done = await writeTar(partial, async (tar) => {
    await tar.file('VERSION', join(folder, 'VERSION'));
    if (masterKey !== undefined) await tar.secret(basename(masterKeyFile(folder)), masterKey);
    const copied = await addBlobs(tar, { metadata, store });
    await tar.file(basename(databaseFile(folder)), metadata);
    return copied;
  });
  await rename(partial, target);
  await using directory = await open(dirname(target));
  await directory.sync();
  return done;
}

/** Undefined where the configuration has it, which no backup holds. */
async function masterKeyIn(folder: string): Promise<Buffer | undefined> {
  try {
    return await readFile(masterKeyFile(folder));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What the copied metadata is sealed with is one of its keys, unless they changed meanwhile. */
function assertSame(before: Buffer | undefined, after: Buffer | undefined): void {
  if (Buffer.compare(before ?? Buffer.alloc(0), after ?? Buffer.alloc(0)) === 0) return;
  throw new CommandFailed('the master key was changed while the backup ran: run it again');
}

/** Leaves the metadata naming what the tar has, and nothing else. */
async function addBlobs(
  tar: TarWriter,
  { metadata, store }: { metadata: string; store: BlobStore },
): Promise<BackupDone> {
  await using database = await openSqlite({ file: metadata });
  await forgetUnfinished(database);
  let [blobs, bytes, leftOut] = [0, 0, 0];
  const { signal } = new AbortController();
  for await (const { digest, isOwned } of namedBlobs(database)) {
    await using reader = await openIfThere(store, digest);
    if (reader !== undefined) {
      await tar.bytes(pathOf(store, digest), reader.size, (into, position) =>
        reader.read(into, position, { signal }),
      );
      blobs += 1;
      bytes += reader.size;
      continue;
    }
    if (isOwned) {
      throw new CommandFailed(
        `${digest}, which was deleted while the backup ran or is missing, is not in storage: run it again`,
      );
    }
    await forgetBlob(database, digest);
    leftOut += 1;
  }
  return { blobs, bytes, leftOut };
}

async function openIfThere(store: BlobStore, digest: Digest): Promise<BlobReader | undefined> {
  try {
    return await store.open(digest);
  } catch (error) {
    if (error instanceof OciError && error.code === 'BLOB_UNKNOWN') return undefined;
    throw error;
  }
}

function pathOf(store: BlobStore, digest: Digest): string {
  const path = store.pathOf?.(digest);
  if (path === undefined) throw new CommandFailed('the blobs are not in the data folder');
  return path;
}
