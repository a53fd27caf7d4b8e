/**
 * The folder that one node owns:
 *
 *     <data>/
 *     ├── lock            held by the process that owns the folder
 *     ├── backup.lock     held by processes that copy the folder
 *     ├── VERSION         which program understands the rest
 *     ├── master.key      what opens sealed values, unless the configuration has it (src/access/master-key.ts)
 *     ├── portolan.db     the metadata (with -wal and -shm beside it while it is open)
 *     └── backups/        version-<n>.db: the metadata as it was before a newer program changed it
 */
import { access, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataFolderInUse, DataTooNew } from './errors.ts';
import { isSqliteError, SQLITE_BUSY } from './sqlite-errors.ts';

/** Metadata is for the node's user and its group: it holds password hashes. */
const FILE_MODE = 0o640;

export function databaseFile(folder: string): string {
  return join(folder, 'portolan.db');
}

/** Whoever may open it can keep the folder from its owner. */
export function lockFile(folder: string): string {
  return join(folder, 'lock');
}

/** Whoever may read it can keep the folder's owner from collecting blobs. */
export function copyLockFile(folder: string): string {
  return join(folder, 'backup.lock');
}

/** Where a copy of the metadata lies that was made before a newer program changed version `version`. */
export function backupFile(folder: string, version: number): string {
  return join(folder, 'backups', `version-${version}.db`);
}

/** Made if it is not there, with all above it, and then it survives a power cut. */
export async function makeFolder(path: string): Promise<void> {
  const folder = resolve(path);
  const first = await mkdir(folder, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    await syncFolder(dirname(made));
  }
}

/** An empty file where there is none, so that SQLite does not make one that everybody may read. */
export async function makePrivateFile(path: string): Promise<void> {
  await using _ = await open(path, 'a', FILE_MODE);
}

/**
 * Makes this process the owner of the folder until it is disposed or ends, by `kill -9` too: the lock is the operating
 * system's, on a database file that holds nothing. Waits for nobody.
 *
 * @throws DataFolderInUse
 */
export function lockDataFolder(folder: string): Disposable {
  const connection = new DatabaseSync(lockFile(folder), { timeout: 0 });
  try {
    // In memory, or a journal of nothing would lie in the folder.
    connection.exec('pragma journal_mode = memory');
    connection.exec('begin exclusive');
  } catch (cause) {
    connection.close();
    if (isSqliteError(cause, SQLITE_BUSY)) throw new DataFolderInUse(folder, { cause });
    throw cause;
  }
  return { [Symbol.dispose]: () => connection.close() };
}

/**
 * Tells the folder's owner that this process copies it, until it is disposed or the process ends, by `kill -9` too.
 * Several may at once.
 */
export async function holdForCopy(folder: string): Promise<Disposable> {
  const file = copyLockFile(folder);
  // The owner makes it: who copies may be somebody who can only read.
  await access(file).catch(() => makePrivateFile(file));
  const connection = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
  try {
    connection.exec('begin');
    connection.prepare('select * from sqlite_schema').all();
  } catch (error) {
    connection.close();
    throw error;
  }
  return { [Symbol.dispose]: () => connection.close() };
}

/** Whether some process copies the folder at this moment. */
export function isBeingCopied(folder: string): boolean {
  using connection = new DatabaseSync(copyLockFile(folder), { timeout: 0 });
  try {
    connection.exec('pragma journal_mode = memory');
    connection.exec('begin exclusive');
    return false;
  } catch (error) {
    if (isSqliteError(error, SQLITE_BUSY)) return true;
    throw error;
  }
}

/**
 * Looks before anything of the folder is opened or changed.
 *
 * @returns the version that the data has, 0 for a new folder
 * @throws DataTooNew for a VERSION above `supported`, or one that this program cannot read
 */
export async function checkVersion(folder: string, supported: number): Promise<number> {
  const found = await readFile(versionFile(folder), 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '0';
    throw error;
  });
  const isKnown = /^\d+\s*$/.test(found) && Number(found) <= supported;
  if (!isKnown) throw new DataTooNew(found.trim(), supported);
  return Number(found);
}

/** Whole or not at all, and durable. */
export async function writeVersion(folder: string, version: number): Promise<void> {
  const partial = `${versionFile(folder)}.partial`;
  await using file = await open(partial, 'w', FILE_MODE);
  await file.writeFile(`${version}\n`);
  await replaceDurably(partial, versionFile(folder));
}

/** The content is synced, the name too: `target` is the old file or the new one, whole, whatever happens. */
export async function replaceDurably(partial: string, target: string): Promise<void> {
  await using file = await open(partial, 'r+');
  await file.sync();
  await rename(partial, target);
  await syncFolder(dirname(target));
}

export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path);
  await folder.sync();
}

function versionFile(folder: string): string {
  return join(folder, 'VERSION');
}
