/**
 * A backup is a tar file of a data folder as it was at one moment:
 *
 *     VERSION
 *     blobs/<algorithm>/…       every blob that the metadata names
 *     portolan.db               the metadata
 *
 * The metadata is copied first. Blobs that it names stay on disk while the folder is held, so they can follow while
 * the node goes on. A cached one may have made room all the same: it is taken out of the copy.
 */
import { access, mkdtempDisposable, open, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkVersion, databaseFile, holdForCopy } from '../database/data-folder.ts';
import { MIGRATIONS } from '../database/migrate.ts';
import { snapshotTo } from '../database/snapshot.ts';
import { openSqlite } from '../database/sqlite.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { BlobReader, BlobStore } from '../storage/blob-store.ts';
import { openFilesystem } from '../storage/filesystem.ts';
import { BackupFailed } from './backup-failed.ts';
import { forgetBlob, forgetUnfinished, namedBlobs } from './backup-metadata.ts';
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
 * @throws BackupFailed, DataTooNew, and what the system says of the files; then `file` is what it was
 */
export async function backup({ dataFolder, file }: BackupOptions): Promise<BackupDone> {
  const folder = resolve(dataFolder);
  const target = resolve(file);
  await assertData(folder);
  await using scratch = await mkdtempDisposable(join(dirname(target), '.portolan-backup-'));
  const metadata = join(scratch.path, 'metadata');
  using _ = await holdForCopy(folder);
  await snapshotTo(metadata, databaseFile(folder));
  await using store = await openFilesystem(folder, { memoryBytes: 0 });
  const partial = join(scratch.path, basename(target));
  const done = await writeTar(partial, async (tar) => {
    await tar.file('VERSION', join(folder, 'VERSION'));
    const copied = await addBlobs(tar, { metadata, store });
    await tar.file(basename(databaseFile(folder)), metadata);
    return copied;
  });
  await rename(partial, target);
  await using directory = await open(dirname(target));
  await directory.sync();
  return done;
}

async function assertData(folder: string): Promise<void> {
  try {
    await access(databaseFile(folder));
  } catch (cause) {
    throw new BackupFailed(`there is no data in ${folder}`, { cause });
  }
  await checkVersion(folder, MIGRATIONS.length);
  const version = Number(await readFile(join(folder, 'VERSION'), 'utf8'));
  if (version < MIGRATIONS.length) {
    throw new BackupFailed(
      `the data in ${folder} is of version ${version}: back it up with the program that wrote it, or start this one once`,
    );
  }
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
      throw new BackupFailed(
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
  if (path === undefined) throw new BackupFailed('the blobs are not in the data folder');
  return path;
}
