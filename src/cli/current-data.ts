import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkVersion, databaseFile } from '../database/data-folder.ts';
import { MIGRATIONS } from '../database/migrate.ts';
import { CommandFailed } from './command-failed.ts';

/**
 * For commands that read or change the data of a node without migrating it.
 *
 * @throws CommandFailed, DataTooNew where this program's tables are not in the folder
 */
export async function assertCurrentData(folder: string): Promise<void> {
  try {
    await access(databaseFile(folder));
  } catch (cause) {
    throw new CommandFailed(`there is no data in ${folder}`, { cause });
  }
  await checkVersion(folder, MIGRATIONS.length);
  const version = Number(await readFile(join(folder, 'VERSION'), 'utf8'));
  if (version < MIGRATIONS.length) {
    throw new CommandFailed(
      `the data in ${folder} is of version ${version}: use the program that wrote it, or start this one once`,
    );
  }
}
