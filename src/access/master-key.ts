/**
 * The keys that seal what nobody may read in a copy of the database. Unless the configuration gives them, they lie in
 * the data folder, which backups take along:
 *
 *     <data>/master.key      32 bytes in base64 on each line: the first seals, all of them open
 */
import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceDurably, syncFolder } from '../database/data-folder.ts';

const KEY_BYTES = 32;
const FILE_MODE = 0o600;

export interface MasterKey {
  /** Of its bytes, so that no list has to say which key is called what. */
  readonly id: string;
  readonly key: KeyObject;
}

/** The first seals, all of them open. */
export type MasterKeys = readonly [MasterKey, ...MasterKey[]];

/** The data is sealed, and what opens it is not here; the message is for the operator as it is. */
export class MasterKeyMissing extends Error {
  override readonly name = 'MasterKeyMissing';
}

export function masterKeyFile(folder: string): string {
  return join(folder, 'master.key');
}

/** 32 random bytes in base64, as `openssl rand -base64 32` makes them. */
export function generateMasterKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}

/**
 * The configured ones, and behind them those of the data folder, where one is made if there are none at all. Only for the
 * owner of the folder.
 *
 * @throws MasterKeyMissing for a text that is no key
 */
export async function openMasterKeys(
  folder: string,
  configured: string | undefined,
): Promise<MasterKeys> {
  if (configured === undefined && (await masterKeysInFile(folder)).length === 0) {
    await writeMasterKeys(folder, [generateMasterKey()]);
  }
  return readMasterKeys(folder, configured);
}

/** As {@link openMasterKeys}, but makes none. @throws MasterKeyMissing */
export async function readMasterKeys(
  folder: string,
  configured: string | undefined,
): Promise<MasterKeys> {
  const texts = [...wordsIn(configured), ...(await masterKeysInFile(folder))];
  const [first, ...others] = texts.map(masterKeyOf);
  if (first === undefined) {
    throw new MasterKeyMissing(
      `there is no ${masterKeyFile(folder)}, and the configuration has no secrets.masterKey`,
    );
  }
  return [first, ...others];
}

/** Whole or not at all, and durable. */
export async function writeMasterKeys(folder: string, texts: readonly string[]): Promise<void> {
  const partial = `${masterKeyFile(folder)}.partial`;
  await using file = await open(partial, 'w', FILE_MODE);
  await file.writeFile(`${texts.join('\n')}\n`);
  await replaceDurably(partial, masterKeyFile(folder));
}

/** For good, once nothing is sealed with its keys any more. */
export async function removeMasterKeys(folder: string): Promise<void> {
  await rm(masterKeyFile(folder), { force: true });
  await syncFolder(folder);
}

/** As they stand there, the first one first. */
export async function masterKeysInFile(folder: string): Promise<readonly string[]> {
  try {
    return wordsIn(await readFile(masterKeyFile(folder), 'utf8'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function wordsIn(text = ''): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function masterKeyOf(text: string): MasterKey {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new MasterKeyMissing('a master key is not 32 bytes in base64');
  }
  const id = createHash('sha256').update('portolan master key ').update(bytes).digest();
  return { id: id.subarray(0, 8).toString('base64url'), key: createSecretKey(bytes) };
}
