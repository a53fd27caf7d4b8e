import { resolve } from 'node:path';
import { readMasterKeys } from '../access/master-key.ts';
import { createSecrets } from '../access/secrets.ts';
import { rotateSigningKeys } from '../access/signing-keys.ts';
import { databaseFile } from '../database/data-folder.ts';
import { openSqlite } from '../database/sqlite.ts';
import { assertCurrentData } from './current-data.ts';

export interface KeyOptions {
  readonly dataFolder: string;
  /** Of the configuration, where it has one. */
  readonly masterKey: string | undefined;
}

/**
 * Has another key sign tokens from now on, also of a node that runs: it sees it at its next token.
 *
 * @returns the key's `kid`
 * @throws CommandFailed, DataTooNew, MasterKeyMissing, SecretUnreadable, and then nothing has changed
 */
export async function rotateKeys({ dataFolder, masterKey }: KeyOptions): Promise<string> {
  const folder = resolve(dataFolder);
  await assertCurrentData(folder);
  const secrets = createSecrets(await readMasterKeys(folder, masterKey));
  await using database = await openSqlite({ file: databaseFile(folder) });
  return await rotateSigningKeys({ database, secrets, now: Date.now });
}
