import { createHash, randomBytes } from 'node:crypto';
import type { Database, WriteTransaction } from '../database/database.ts';
import { OciError } from '../oci/error.ts';
import type { Accounts } from './accounts.ts';
import type { Caller } from './caller.ts';

const TOKEN_BYTES = 32;
/** Logins of one user. Who signs in more often, or has a script that does, signs out where it was longest ago. */
const MOST_PER_USER = 1_000;
/** A use is written down this often: clients come for a token every few minutes. */
const USE_PRECISION_MS = 60 * 60 * 1000;
const LONGEST_CLIENT = 64;

/**
 * What `docker login` keeps in place of a password: good for tokens, and for nothing else. The same one until it ends,
 * since clients that store one do not store another that they are given for it (docs/wire-notes.md 2).
 */
export interface RefreshTokens {
  /**
   * @param client as it calls itself
   * @returns 256 random bits, which are kept nowhere
   * @throws OciError UNAUTHORIZED where all that the user was given is void meanwhile
   */
  issue(user: Pick<Caller, 'id' | 'validFrom'>, client: string): Promise<string>;
  /** @throws OciError UNAUTHORIZED for one that has ended, as it does with its user and with the user's password */
  exchange(token: string): Promise<Caller>;
  /** Ends it, for whoever has it; nothing happens to one that is unknown. */
  revoke(token: string): Promise<void>;
}

export interface RefreshTokensOptions {
  readonly database: Database;
  readonly accounts: Accounts;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** Milliseconds after its last use. */
  readonly expiryMs: number;
}

export function createRefreshTokens(options: RefreshTokensOptions): RefreshTokens {
  return {
    issue: (user, client) => issue(options, user, client),
    exchange: (token) => exchange(options, token),
    revoke: (token) => revoke(options, token),
  };
}

async function issue(
  { database, now, expiryMs }: RefreshTokensOptions,
  { id: user, validFrom = 0 }: Pick<Caller, 'id' | 'validFrom'>,
  client: string,
): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const at = now();
  await database.write(async (transaction) => {
    const row = await transaction
      .selectFrom('users')
      .select('valid_from')
      .where('id', '=', user)
      .executeTakeFirst();
    if (row?.valid_from !== validFrom) throw new OciError('UNAUTHORIZED');
    await forget(transaction, { user, at });
    await transaction
      .insertInto('refresh_tokens')
      .values({
        hash: hashOf(token),
        user_id: user,
        client: client.slice(0, LONGEST_CLIENT),
        created_at: at,
        used_at: at,
        expires_at: at + expiryMs,
      })
      .execute();
  });
  return token;
}

async function exchange(
  { database, accounts, now, expiryMs }: RefreshTokensOptions,
  token: string,
): Promise<Caller> {
  const at = now();
  const hash = hashOf(token);
  const found = await database.read
    .selectFrom('refresh_tokens')
    .innerJoin('users', 'users.id', 'refresh_tokens.user_id')
    .select(['users.name', 'refresh_tokens.created_at', 'used_at', 'expires_at'])
    .where('hash', '=', hash)
    .executeTakeFirst();
  if (found === undefined || found.expires_at <= at) throw new OciError('UNAUTHORIZED');
  const account = await accounts.find(found.name);
  if (account === undefined || found.created_at < account.validFrom) {
    throw new OciError('UNAUTHORIZED');
  }
  if (found.used_at + USE_PRECISION_MS <= at) {
    await database.write((transaction) =>
      transaction
        .updateTable('refresh_tokens')
        .set({ used_at: at, expires_at: at + expiryMs })
        .where('hash', '=', hash)
        .execute(),
    );
  }
  return account.caller;
}

/** Writes only where there is one: anybody may ask. */
async function revoke({ database }: RefreshTokensOptions, token: string): Promise<void> {
  const hash = hashOf(token);
  const found = await database.read
    .selectFrom('refresh_tokens')
    .select('hash')
    .where('hash', '=', hash)
    .executeTakeFirst();
  if (found === undefined) return;
  await database.write((transaction) =>
    transaction.deleteFrom('refresh_tokens').where('hash', '=', hash).execute(),
  );
}

/** Of the user: what it signs in with is another. */
export async function endRefreshTokens(transaction: WriteTransaction, user: number): Promise<void> {
  await transaction.deleteFrom('refresh_tokens').where('user_id', '=', user).execute();
}

/** Makes room for another: what has ended, whoever had it, and of the user's own what was not used for longest. */
async function forget(
  transaction: WriteTransaction,
  { user, at }: { readonly user: number; readonly at: number },
): Promise<void> {
  await transaction.deleteFrom('refresh_tokens').where('expires_at', '<=', at).execute();
  await transaction
    .deleteFrom('refresh_tokens')
    .where('hash', 'in', (tokens) =>
      tokens
        .selectFrom('refresh_tokens')
        .select('hash')
        .where('user_id', '=', user)
        .orderBy('used_at', 'desc')
        .orderBy('hash')
        // Neither engine knows an offset without a limit.
        .limit(MOST_PER_USER)
        .offset(MOST_PER_USER - 1),
    )
    .execute();
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
