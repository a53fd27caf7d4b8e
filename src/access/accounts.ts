import { LRUCache } from 'lru-cache';
import type { Role } from '../../policies/access.ts';
import type { Database, Queries } from '../database/database.ts';
import type { Caller } from './caller.ts';

/** Somebody who can sign in: a user, or a robot. */
export interface Account {
  /** Who its requests come from. */
  readonly caller: Caller;
  /** What its password is compared with. */
  readonly passwordHash: string;
  /** Tokens that were issued before are void. Milliseconds UTC. */
  readonly validFrom: number;
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

/** Users by name, each read again only after something was committed: every request with a token asks. */
export function createUserAccounts(database: Database): Accounts {
  const known = new LRUCache<string, Known>({ max: MOST_KNOWN });
  return {
    find(name) {
      const revision = database.revision();
      const before = known.get(name);
      if (before?.revision === revision) return before.account;
      const account = readAccount(database, name);
      known.set(name, { revision, account });
      account.catch(() => known.delete(name));
      return account;
    },
  };
}

async function readAccount({ read }: Database, name: string): Promise<Account | undefined> {
  const user = await read
    .selectFrom('users')
    .selectAll()
    .where('name', '=', name)
    .where('disabled', '=', 0)
    .executeTakeFirst();
  if (user === undefined) return undefined;
  const roles = await rolesOf(read, user.id);
  const isAdmin = user.admin === 1;
  return {
    caller: { name, id: user.id, isAdmin, isAnonymous: false, roles },
    passwordHash: user.password_hash,
    validFrom: user.valid_from,
  };
}

/** By project; one's own and those of one's groups. */
async function rolesOf(
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
