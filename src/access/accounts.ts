import { LRUCache } from 'lru-cache';
import type { Role } from '../../policies/access.ts';
import type { Database, Queries } from '../database/database.ts';
import type { Caller } from './caller.ts';
import { readRobotAccount } from './robot-accounts.ts';
import { isRobotName } from './robot-names.ts';

/** Somebody who can sign in: a user, or a robot. */
export interface Account {
  /** Who its requests come from. */
  readonly caller: Caller;
  /** What its password is compared with. */
  readonly passwordHash: string;
  /** Moves whenever all that its caller was given before is void: with a password, by being disabled. Milliseconds UTC. */
  readonly validFrom: number;
  /** It is nobody from then on. Milliseconds UTC; undefined for ever. */
  readonly expiresAt?: number | undefined;
}

export interface Accounts {
  /** By the name that it signs in with; undefined for one that is unknown, disabled or expired. */
  find(name: string): Promise<Account | undefined>;
}

const MOST_KNOWN = 10_000;

interface Known {
  readonly revision: number;
  readonly account: Promise<Account | undefined>;
}

/** Users and robots, each read again only after something was committed: every request with a token asks. */
export function createAccounts(
  database: Database,
  { now }: { readonly now: () => number },
): Accounts {
  const known = new LRUCache<string, Known>({ max: MOST_KNOWN });

  function accountOf(name: string): Promise<Account | undefined> {
    const revision = database.revision();
    const before = known.get(name);
    if (before?.revision === revision) return before.account;
    const { read } = database;
    const account = isRobotName(name) ? readRobotAccount(read, name) : readUserAccount(read, name);
    known.set(name, { revision, account });
    account.catch(() => known.delete(name));
    return account;
  }

  return {
    async find(name) {
      const account = await accountOf(name);
      if (account?.expiresAt !== undefined && account.expiresAt <= now()) return undefined;
      return account;
    },
  };
}

async function readUserAccount(read: Queries, name: string): Promise<Account | undefined> {
  const user = await read
    .selectFrom('users')
    .selectAll()
    .where('name', '=', name)
    .where('disabled', '=', 0)
    .executeTakeFirst();
  if (user === undefined) return undefined;
  const roles = await rolesOf(read, user.id);
  const isAdmin = user.admin === 1;
  const validFrom = user.valid_from;
  return {
    caller: { name, id: user.id, isAdmin, isAnonymous: false, roles, validFrom },
    passwordHash: user.password_hash,
    validFrom,
  };
}

/** By project; one's own and those of one's groups. */
export async function rolesOf(
  queries: Queries,
  user: number,
): Promise<ReadonlyMap<number, readonly Role[]>> {
  const memberships = await queries
    .selectFrom('project_members')
    .select(['project', 'role'])
    .where((member) =>
      member.or([
        member('user_id', '=', user),
        member('user_group', 'in', (groups) =>
          groups.selectFrom('user_group_members').select('user_group').where('user_id', '=', user),
        ),
      ]),
    )
    .execute();
  const roles = new Map<number, Role[]>();
  for (const { project, role } of memberships) {
    roles.set(project, [...(roles.get(project) ?? []), role]);
  }
  return roles;
}
