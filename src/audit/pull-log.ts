import type { Database } from '../database/database.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import { type AuditedArtifact, artifactEntry } from './artifact-events.ts';
import { type Actor, type AuditEntry, writeAudits } from './audit.ts';

/** Somebody fetched a manifest. */
export interface AuditedPull extends AuditedArtifact {
  readonly actor: Actor;
}

/**
 * Pulls for the audit log, kept in memory and written within a second: a crash loses that one. Pulls of a second that are
 * alike in everything are one row that says how many they were. Disposing writes the last.
 */
export interface PullLog extends AsyncDisposable {
  /** Costs a map entry. */
  note(pull: AuditedPull): void;
}

export interface PullLogOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  readonly delayMs?: number;
}

interface Counted {
  readonly pull: AuditedPull;
  readonly at: number;
  count: number;
}

const DELAY_MS = 1_000;
/** Rows of one write, so that no push waits long behind them. */
const BATCH = 500;
/** More different ones than any disk takes in a second: what comes then is told as a failure, and not kept. */
const MOST = 20_000;

export function createPullLog(options: PullLogOptions): PullLog {
  const { delayMs = DELAY_MS, now } = options;
  const waiting = new Map<string, Counted>();
  let lost = 0;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    try {
      if (lost > 0) failed(new Error(`${lost} pulls were more than the audit log takes`));
      lost = 0;
      await writeAll(options.database, waiting);
    } catch (error) {
      failed(error);
    }
  };
  const begin = (): void => {
    timer = undefined;
    running = write().finally(() => {
      running = undefined;
      // What came meanwhile, and what could not be written.
      if (waiting.size > 0) start();
    });
  };
  const start = (): void => {
    if (running === undefined) timer ??= setTimeout(begin, delayMs).unref();
  };

  return {
    note(pull) {
      const { actor, repository, tag, digest } = pull;
      const key = `${actor.address} ${actor.name} ${repository} ${tag ?? ''} ${digest}`;
      const known = waiting.get(key);
      if (known !== undefined) known.count += 1;
      else if (waiting.size < MOST) waiting.set(key, { pull, at: now(), count: 1 });
      else lost += 1;
      start();
    },
    async [Symbol.asyncDispose]() {
      await running;
      clearTimeout(timer);
      await write();
      clearTimeout(timer);
    },
  };
}

/** As many as there are now: more come while it works. What cannot be written stays. */
async function writeAll(database: Database, waiting: Map<string, Counted>): Promise<void> {
  for (let left = waiting.size; left > 0; left -= BATCH) {
    const taken = [...waiting.entries().take(BATCH)];
    for (const [key] of taken) waiting.delete(key);
    try {
      await database.write((transaction) =>
        writeAudits(
          transaction,
          taken.map(([, counted]) => entryOf(counted)),
        ),
      );
    } catch (error) {
      for (const [key, counted] of taken) {
        const { count = 0 } = waiting.get(key) ?? {};
        waiting.set(key, { ...counted, count: counted.count + count });
      }
      throw error;
    }
  }
}

function entryOf({ pull: { actor, ...artifact }, at, count }: Counted): AuditEntry {
  const entry = artifactEntry('pull', artifact, { actor, at });
  return count === 1 ? entry : { ...entry, detail: `${entry.detail}, ${count} times` };
}

function failed(error: unknown): void {
  if (maintenanceFailed.hasSubscribers)
    maintenanceFailed.publish({ work: 'audit of pulls', error });
}
