/**
 * What tokens are signed with: rows, so that tokens survive a restart and every process on the database takes those of
 * every other. The oldest key that is not retired signs. One that is to follow is published a day before:
 *
 *     created      rotation is due      retired (signs no more)      gone
 *        ├── signs ─────┼── signs on ────────┼── verifies ──────────────┤
 *                    created              signs ────────────────────────────▶
 */
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { remembered } from '../database/remembered.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import type { Secrets } from './secrets.ts';
import { LEEWAY_SECONDS, LONGEST_LIFETIME_SECONDS } from './token-times.ts';

export const ALGORITHM = 'ES256';
/** So that those who keep a copy of the key set, as a stock registry does, can take the next one in time. */
const PUBLISHED_AHEAD_MS = 24 * 60 * 60 * 1000;
/** The last token of a key has ended by then, whatever clocks say. */
const OVERLAP_MS = (LONGEST_LIFETIME_SECONDS + 2 * LEEWAY_SECONDS) * 1000;
const MOST_OPENED = 100;

const PublicJwk = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
});
/** RFC 7518 section 6.2. */
export const PrivateJwk = PublicJwk.extend({ d: z.string() });

type Key = Exclude<Awaited<ReturnType<typeof importJWK>>, Uint8Array>;

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: Key;
}

/** RFC 7517 section 4, a public key and nothing of a private one. */
export type PublishedKey = z.infer<typeof PublicJwk> & {
  readonly kid: string;
  readonly alg: string;
  readonly use: string;
};

export interface SigningKeys {
  /** The one that signs at this time. */
  signing(): Promise<SigningKey>;
  /** Undefined for a key that is not ours, or whose tokens have all ended. */
  verifying(kid: string): Promise<Key | undefined>;
  /** All that verify, and the one that will. */
  published(): Promise<readonly PublishedKey[]>;
}

type Sealing = Pick<Secrets, 'seal'>;

interface KeyStore {
  readonly database: Database;
  readonly secrets: Secrets;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface SigningKeysOptions extends KeyStore {
  /** How long a key signs, in milliseconds; Infinity: until somebody rotates it. */
  readonly rotationMs: number;
}

interface KnownKey {
  readonly kid: string;
  readonly sealed: string;
  readonly jwk: z.infer<typeof PublicJwk>;
  readonly createdAt: number;
  readonly retiredAt: number;
}

/** Makes the first key, and another one where the master key cannot open the one that should sign. */
export async function createSigningKeys(options: SigningKeysOptions): Promise<SigningKeys> {
  const { database, now } = options;
  const known = remembered(database, () => readKeys(database));
  const opened = new LRUCache<string, Promise<Key>>({ max: MOST_OPENED });

  function imported(id: string, jwk: () => z.infer<typeof PublicJwk>): Promise<Key> {
    const before = opened.get(id);
    if (before !== undefined) return before;
    const key = keyOf(jwk);
    opened.set(id, key);
    key.catch(() => opened.delete(id));
    return key;
  }
  const privateKey = ({ kid, sealed }: KnownKey): Promise<Key> =>
    imported(sealed, () =>
      PrivateJwk.parse(JSON.parse(options.secrets.open(sealed, purposeOf(kid)))),
    );

  async function signing(): Promise<SigningKey> {
    let keys = await known();
    const newest = keys.at(-1);
    if (newest !== undefined && newest.createdAt + options.rotationMs <= now()) {
      await addSuccessor(options, newest.kid).catch(report);
      keys = await known();
    }
    const key = keys.find(({ retiredAt }) => retiredAt > now());
    if (key === undefined) throw new Error('there is no signing key');
    return { kid: key.kid, privateKey: await privateKey(key) };
  }

  const keys: SigningKeys = {
    signing,
    async verifying(kid) {
      const key = (await known()).find((candidate) => candidate.kid === kid);
      if (key === undefined || key.retiredAt + OVERLAP_MS <= now()) return undefined;
      return imported(kid, () => key.jwk);
    },
    async published() {
      const verifying = (await known()).filter(({ retiredAt }) => retiredAt + OVERLAP_MS > now());
      return verifying.map(({ kid, jwk }) => ({ ...jwk, kid, alg: ALGORITHM, use: 'sig' }));
    },
  };

  await ensureFirst(options);
  const current = (await known()).filter(({ retiredAt }) => retiredAt > now());
  try {
    await Promise.all(current.map(privateKey));
  } catch (error) {
    // Of what a lost master key sealed, these alone can be made again: who has a token keeps it, and the next is signed
    // with another. Credentials of endpoints have to be given again.
    report(error);
    await replaceAll(options);
  }
  return keys;
}

/**
 * Another key signs from now on; tokens of those before stay good until they end. It is sealed as the newest of them is:
 * a node that runs may not have a master key yet that is configured already.
 *
 * @returns its `kid`
 * @throws SecretUnreadable where the master key is not the one that the node has, which then could not sign
 */
export async function rotateSigningKeys(options: KeyStore): Promise<string> {
  const { database, secrets, now } = options;
  await openSigningKeys(database.read, { secrets, now: now() });
  const [newest] = (await readKeys(database))
    .filter(({ retiredAt }) => retiredAt > now())
    .slice(-1);
  if (newest === undefined) return replaceAll(options);
  const seal: Sealing['seal'] = (text, purpose) => secrets.sealAlike(newest.sealed, text, purpose);
  return replaceAll({ ...options, secrets: { seal } });
}

interface Opening {
  readonly secrets: Secrets;
  /** Milliseconds UTC. */
  readonly now: number;
}

/** Private keys of those that still sign, by `kid`. @throws SecretUnreadable */
export async function openSigningKeys(
  queries: Queries,
  { secrets, now }: Opening,
): Promise<ReadonlyMap<string, string>> {
  const keys = await queries
    .selectFrom('signing_keys')
    .select(['kid', 'private_key as sealed'])
    .where((row) => row.or([row('retired_at', 'is', null), row('retired_at', '>', now)]))
    .execute();
  return new Map(keys.map(({ kid, sealed }) => [kid, secrets.open(sealed, purposeOf(kid))]));
}

/** Seals those that still sign with the first master key. @returns how many @throws SecretUnreadable */
export async function resealSigningKeys(
  transaction: WriteTransaction,
  { secrets, now }: Opening,
): Promise<number> {
  await forget(transaction, now);
  const texts = await openSigningKeys(transaction, { secrets, now });
  for (const [kid, text] of texts) {
    await transaction
      .updateTable('signing_keys')
      .set({ private_key: secrets.seal(text, purposeOf(kid)) })
      .where('kid', '=', kid)
      .execute();
  }
  return texts.size;
}

async function readKeys({ read }: Database): Promise<readonly KnownKey[]> {
  const rows = await read
    .selectFrom('signing_keys')
    .selectAll()
    .orderBy('created_at')
    .orderBy('kid')
    .execute();
  return rows.map((row) => ({
    kid: row.kid,
    sealed: row.private_key,
    jwk: PublicJwk.parse(JSON.parse(row.public_key)),
    createdAt: row.created_at,
    retiredAt: row.retired_at ?? Number.POSITIVE_INFINITY,
  }));
}

async function ensureFirst({ database, secrets, now }: KeyStore): Promise<void> {
  const made = await generated(secrets);
  await database.write(async (transaction) => {
    const some = await transaction.selectFrom('signing_keys').select('kid').executeTakeFirst();
    if (some === undefined) await insert(transaction, made, now());
  });
}

/** The newest key signs a while longer. Of two processes that come at the same time, one is too late. */
async function addSuccessor({ database, secrets, now }: KeyStore, newest: string): Promise<void> {
  const made = await generated(secrets);
  await database.write(async (transaction) => {
    const { numUpdatedRows } = await transaction
      .updateTable('signing_keys')
      .set({ retired_at: now() + PUBLISHED_AHEAD_MS })
      .where('kid', '=', newest)
      .where('retired_at', 'is', null)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows === 0n) return;
    await forget(transaction, now());
    await insert(transaction, made, now());
  });
}

async function replaceAll({
  database,
  secrets,
  now,
}: Omit<KeyStore, 'secrets'> & { readonly secrets: Sealing }): Promise<string> {
  const made = await generated(secrets);
  await database.write(async (transaction) => {
    const at = now();
    await transaction
      .updateTable('signing_keys')
      .set({ retired_at: at })
      .where((row) => row.or([row('retired_at', 'is', null), row('retired_at', '>', at)]))
      .execute();
    await forget(transaction, at);
    await insert(transaction, made, at);
  });
  return made.kid;
}

/** Private keys that sign no more, and all of those whose tokens have ended. */
async function forget(transaction: WriteTransaction, now: number): Promise<void> {
  await transaction
    .deleteFrom('signing_keys')
    .where('retired_at', '<=', now - OVERLAP_MS)
    .execute();
  await transaction
    .updateTable('signing_keys')
    .set({ private_key: '' })
    .where('retired_at', '<=', now)
    .execute();
}

interface MadeKey {
  readonly kid: string;
  readonly private_key: string;
  readonly public_key: string;
}

async function generated(secrets: Sealing): Promise<MadeKey> {
  const pair = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = PublicJwk.parse(await exportJWK(pair.publicKey));
  const kid = await calculateJwkThumbprint(jwk);
  const text = JSON.stringify(PrivateJwk.parse(await exportJWK(pair.privateKey)));
  return { kid, private_key: secrets.seal(text, purposeOf(kid)), public_key: JSON.stringify(jwk) };
}

async function insert(transaction: WriteTransaction, made: MadeKey, now: number): Promise<void> {
  await transaction
    .insertInto('signing_keys')
    .values({ ...made, created_at: now })
    .execute();
}

/** As jose signs and verifies with. */
export async function keyOf(jwk: () => z.infer<typeof PublicJwk>): Promise<Key> {
  const key = await importJWK(jwk(), ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError('an EC key is no bytes');
  return key;
}

function purposeOf(kid: string): string {
  return `signing_keys/${kid}`;
}

function report(error: unknown): void {
  if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work: 'signing keys', error });
}
