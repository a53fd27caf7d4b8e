import { resolve } from 'node:path';
import {
  generateMasterKey,
  masterKeysInFile,
  readMasterKeys,
  removeMasterKeys,
  writeMasterKeys,
} from '../access/master-key.ts';
import { createSecrets, type Secrets } from '../access/secrets.ts';
import { openSigningKeys, resealSigningKeys } from '../access/signing-keys.ts';
import { openCredentials, resealCredentials } from '../catalog/endpoint-drafts.ts';
import {
  databaseFile,
  lockDataFolder,
  lockFile,
  makePrivateFile,
} from '../database/data-folder.ts';
import type { Database } from '../database/database.ts';
import { openSqlite } from '../database/sqlite.ts';
import { assertCurrentData } from './current-data.ts';
import type { KeyOptions } from './rotate-keys.ts';

/**
 * Seals everything with the first master key of the configuration, or else with a new one in the data folder, which the
 * others leave last. Stopped at any point, it leaves keys that open everything, and goes on when it is run again. The node
 * must not run: it would go on sealing with a key that is about to go.
 *
 * @returns how many values were sealed
 * @throws DataFolderInUse, CommandFailed, DataTooNew, MasterKeyMissing, SecretUnreadable, CredentialLost, and then nothing
 *   has changed
 */
export async function rotateSecrets({ dataFolder, masterKey }: KeyOptions): Promise<number> {
  const folder = resolve(dataFolder);
  await assertCurrentData(folder);
  await makePrivateFile(lockFile(folder));
  using _ = lockDataFolder(folder);
  await using database = await openSqlite({ file: databaseFile(folder) });
  const before = await masterKeysInFile(folder);
  await assertOpen(database, createSecrets(await readMasterKeys(folder, masterKey)));
  // Of several, the first is one that nobody has finished to go over to.
  if (masterKey === undefined && before.length === 1) {
    await writeMasterKeys(folder, [generateMasterKey(), ...before]);
  }
  const secrets = createSecrets(await readMasterKeys(folder, masterKey));
  const sealed = await database.write(async (transaction) => {
    const keys = await resealSigningKeys(transaction, { secrets, now: Date.now() });
    return keys + (await resealCredentials(transaction, secrets));
  });
  if (masterKey === undefined) {
    await writeMasterKeys(folder, (await masterKeysInFile(folder)).slice(0, 1));
  } else if (before.length > 0) {
    await removeMasterKeys(folder);
  }
  return sealed;
}

/** Before anything is changed. @throws SecretUnreadable, CredentialLost */
async function assertOpen({ read }: Database, secrets: Secrets): Promise<void> {
  await openSigningKeys(read, { secrets, now: Date.now() });
  await openCredentials(read, secrets);
}
