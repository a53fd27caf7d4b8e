import type { Caller } from '../../src/access/caller.ts';
import { generateMasterKey, readMasterKeys } from '../../src/access/master-key.ts';
import { createSecrets, type Secrets } from '../../src/access/secrets.ts';
import { createSigningKeys, type SigningKeys } from '../../src/access/signing-keys.ts';
import type { Database } from '../../src/database/database.ts';
import { OciError } from '../../src/oci/error.ts';

export interface KeyOptions {
  readonly now?: () => number;
  readonly secrets?: Secrets;
  readonly rotationMs?: number;
}

/** The keys of a database, sealed with a master key that nobody keeps. */
export async function signingKeysOn(
  database: Database,
  { now = Date.now, secrets, rotationMs = Number.POSITIVE_INFINITY }: KeyOptions = {},
): Promise<SigningKeys> {
  return createSigningKeys({
    database,
    secrets: secrets ?? (await freshSecrets()),
    now,
    rotationMs,
  });
}

/** With a master key of their own. */
export async function freshSecrets(): Promise<Secrets> {
  return createSecrets(await readMasterKeys('/nowhere', generateMasterKey()));
}

/** Where no token is any good. */
export async function noToken(): Promise<Caller> {
  throw new OciError('UNAUTHORIZED');
}
