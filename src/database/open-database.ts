import { resolve } from 'node:path';
import { startNewEpoch } from './copy-mark.ts';
import {
  backupFile,
  checkVersion,
  copyLockFile,
  databaseFile,
  lockDataFolder,
  lockFile,
  makeFolder,
  makePrivateFile,
  writeVersion,
} from './data-folder.ts';
import type { Database } from './database.ts';
import { SQLITE } from './engine.ts';
import { MIGRATIONS, migrate } from './migrate.ts';
import type { Migration } from './migration.ts';
import { snapshotTo } from './snapshot.ts';
import { openSqlite } from './sqlite.ts';

export interface OpenOptions {
  readonly now: () => number;
  /** What a program knows: all of them, unless it is to be an older or a newer one. */
  readonly migrations?: readonly Migration[];
}

/**
 * Opens the embedded database of a data folder and brings it to this program's version; data that is there already is
 * copied first, and where they are a copy themselves the feed starts another epoch. The folder is this process's until the database is disposed.
 *
 * @throws DataFolderInUse, DataTooNew, and then nothing has changed
 */
export async function openDatabase(
  dataFolder: string,
  { now, migrations = MIGRATIONS }: OpenOptions,
): Promise<Database> {
  const folder = resolve(dataFolder);
  const file = databaseFile(folder);
  await makeFolder(folder);
  await using opened = new AsyncDisposableStack();
  await makePrivateFile(lockFile(folder));
  opened.use(lockDataFolder(folder));
  const found = await checkVersion(folder, migrations.length);
  await makePrivateFile(copyLockFile(folder));
  await makePrivateFile(file);
  const database = opened.use(await openSqlite({ file }));
  await migrate(database, {
    engine: SQLITE,
    now,
    migrations,
    before: (version) => snapshotTo(backupFile(folder, version), file),
  });
  await startNewEpoch(database, now());
  // A full disk must not stop a start that has nothing to write.
  if (found !== migrations.length) await writeVersion(folder, migrations.length);

  const resources = opened.move();
  return { ...database, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}
