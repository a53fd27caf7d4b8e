import type { Database } from '../database/database.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';

/**
 * When users last signed in. Kept in memory and written once a minute, so that a client that sends its password with every
 * request writes no row with each; a crash loses a minute. Disposing writes the last.
 */
export interface LastLogins extends AsyncDisposable {
  /** Costs a map entry. */
  note(user: number): void;
  /** Writes what has gathered. What cannot be written is told, and kept for the next time. */
  flush(): Promise<void>;
}

const INTERVAL_MS = 60_000;

export function createLastLogins(database: Database, { now }: { now: () => number }): LastLogins {
  const noted = new Map<number, number>();
  let running: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    const logins = [...noted];
    if (logins.length === 0) return;
    noted.clear();
    try {
      await database.write(async (transaction) => {
        for (const [user, at] of logins) {
          await transaction
            .updateTable('users')
            .set({ last_login_at: at })
            .where('id', '=', user)
            .execute();
        }
      });
    } catch (error) {
      for (const [user, at] of logins) noted.set(user, noted.get(user) ?? at);
      if (maintenanceFailed.hasSubscribers)
        maintenanceFailed.publish({ work: 'last logins', error });
    }
  };
  const flush = async (): Promise<void> => {
    await running;
    running = write();
    await running;
  };
  const timer = setInterval(() => void flush(), INTERVAL_MS).unref();
  return {
    note: (user) => void noted.set(user, now()),
    flush,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await flush();
    },
  };
}
