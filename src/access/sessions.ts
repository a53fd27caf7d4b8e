import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { writeAudit } from '../audit/audit.ts';
import type { Cache } from '../cache/cache.ts';
import type { Database } from '../database/database.ts';
import { OciError } from '../oci/error.ts';
import type { Accounts } from './accounts.ts';
import type { Authenticator } from './authenticator.ts';
import type { Caller } from './caller.ts';
import { RefusedLogins } from './refused-logins.ts';

export interface Login {
  readonly name: string;
  readonly password: string;
  /** The client's. */
  readonly address: string;
  /** The session that the client had, which ends: nobody goes on with an id that somebody may have planted. */
  readonly previous?: string | undefined;
}

/**
 * Sessions of people at the portal, in the cache that the nodes of a site share. One ends an hour after it was last
 * used, with its user's password, and with the cache. Ids are 256 random bits; the cache has only hashes of them.
 */
export interface Sessions {
  /**
   * Written to the audit log, whether it worked or not; of refusals only so many a minute.
   *
   * @returns the id of a new session
   * @throws OciError UNAUTHORIZED for a wrong password and for robots, TOOMANYREQUESTS
   */
  logIn(login: Login): Promise<string>;
  /** Whose session it is, with what that one may now; `renew` puts its end off to an hour from now. */
  find(id: string, options?: { readonly renew?: boolean }): Promise<Caller | undefined>;
  /** Ends one that there is, and writes that to the audit log. */
  logOut(id: string, address: string): Promise<void>;
  /** Of the user with this id. */
  endAll(user: number): Promise<void>;
}

export interface SessionsOptions {
  readonly database: Database;
  readonly cache: Cache;
  readonly accounts: Accounts;
  readonly authenticator: Pick<Authenticator, 'signIn'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

const LIFETIME_MS = 60 * 60_000;
/** A session that is in use is written once a minute, not with each request. */
const RENEWED_AFTER_MS = 60_000;
/** Browsers of one user that are signed in at the same time. */
const MOST_OF_A_USER = 20;
/** No user's name is longer. */
const LONGEST_NAME = 255;

/** Times are milliseconds UTC. */
const Session = z.object({
  name: z.string(),
  user: z.number(),
  startedAt: z.number(),
  usedAt: z.number(),
  /** Of the account when its password was checked. */
  validFrom: z.number(),
});
type Session = z.infer<typeof Session>;

export function createSessions(options: SessionsOptions): Sessions {
  const { accounts, authenticator, now } = options;
  const kept = keptSessions(options);
  const note = notes(options);

  return {
    async logIn({ name, password, address, previous }) {
      try {
        const caller = await authenticator.signIn(name, password, address);
        const { id: user, robot, validFrom = 0 } = caller;
        if (robot !== undefined) throw new OciError('UNAUTHORIZED');
        if (previous !== undefined) await kept.end(keyOf(previous));
        await note({ name, address }, 'login');
        const id = randomBytes(32).toString('base64url');
        const at = now();
        const session = { name, user, startedAt: at, usedAt: at, validFrom };
        await kept.begin(keyOf(id), session);
        return id;
      } catch (error) {
        if (error instanceof OciError) await note({ name, address }, 'refused login');
        throw error;
      }
    },

    async find(id, { renew = true } = {}) {
      const key = keyOf(id);
      const session = await kept.read(key);
      if (session === undefined) return undefined;
      const account = await accounts.find(session.name);
      if (account?.caller.id !== session.user || session.validFrom !== account.validFrom) {
        return undefined;
      }
      const at = now();
      if (renew && session.usedAt + RENEWED_AFTER_MS <= at) {
        await kept.write(key, { ...session, usedAt: at });
      }
      return account.caller;
    },

    async logOut(id, address) {
      const session = await kept.end(keyOf(id));
      if (session === undefined) return;
      await note({ name: session.name, address }, 'logout');
    },

    endAll: (user) => kept.endAll(user),
  };
}

/** By the hashes of their ids. */
function keptSessions({ cache, now }: Pick<SessionsOptions, 'cache' | 'now'>) {
  const sessions = cache.store('sessions', Session);
  const owned = cache.store('sessions-of', z.array(z.string()));
  // Not only deleted: a request that was under way might write a session again that has ended.
  const ends = cache.store('session-ends', z.number());

  async function read(key: string): Promise<Session | undefined> {
    const session = await sessions.get(key);
    if (session === undefined || session.usedAt + LIFETIME_MS <= now()) return undefined;
    if ((await ends.get(`session ${key}`)) !== undefined) return undefined;
    const endedAt = await ends.get(`user ${session.user}`);
    return endedAt === undefined || endedAt < session.startedAt ? session : undefined;
  }

  return {
    read,
    /** The oldest of the user's end where there are too many: nobody's logins push out those of others. */
    async begin(key: string, session: Session): Promise<void> {
      const owner = `${session.user}`;
      const all = [...((await owned.get(owner)) ?? []), key];
      const old = all.splice(0, Math.max(0, all.length - MOST_OF_A_USER));
      await sessions.set(key, session, LIFETIME_MS);
      await owned.set(owner, all, LIFETIME_MS);
      await Promise.all(old.map((each) => sessions.delete(each)));
    },
    write: (key: string, session: Session) => sessions.set(key, session, LIFETIME_MS),
    /** What it was. Of what is no session nothing is noted: anybody may send anything as an id. */
    async end(key: string): Promise<Session | undefined> {
      const session = await read(key);
      if (session === undefined) return undefined;
      await ends.set(`session ${key}`, now(), LIFETIME_MS);
      await sessions.delete(key);
      return session;
    },
    endAll: (user: number) => ends.set(`user ${user}`, now(), LIFETIME_MS),
  };
}

type Happened = 'login' | 'refused login' | 'logout';

function notes({ database, now }: SessionsOptions) {
  const refused = new RefusedLogins({ now });
  return async (
    { name, address }: { readonly name: string; readonly address: string },
    happened: Happened,
  ): Promise<void> => {
    const resource = name.slice(0, LONGEST_NAME);
    const isRefusal = happened === 'refused login';
    if (isRefusal && !refused.isWorthTelling({ name: resource, address })) return;
    await database.write((transaction) =>
      writeAudit(transaction, {
        actor: { name: resource, address },
        operation: isRefusal ? 'login' : happened,
        resourceType: 'user',
        resource,
        succeeded: !isRefusal,
        detail: `${happened} of user ${resource}`,
        at: now(),
      }),
    );
  };
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
