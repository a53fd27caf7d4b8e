/** What is known about the hosts that tasks load: who asked to be left alone, who fails. */
import type { WriteTransaction } from '../database/database.ts';
import { jobHostChanged } from '../telemetry/channels.ts';
import type { Settling } from './settling.ts';
import type { Failure } from './task.ts';

/** Failures in a row after which a host is left alone for a while, and then asked by one task at a time. */
export const BREAKS_AFTER = 5;
/** The first time; twice as long after each failure more. */
const OPEN_MS = 30_000;
const LONGEST_OPEN_MS = 15 * 60_000;

/** Who says "tomorrow" is asked again sooner: budgets get raised, and clocks are wrong. */
const LONGEST_BLOCK_MS = 60 * 60_000;

/** A host whose breaker is open: it does not answer, whoever asks. */
export interface Outage {
  readonly host: string;
  /** Milliseconds UTC: since when nothing went well there, and when it is asked again. */
  readonly since: number;
  readonly until: number;
}

/** Milliseconds UTC. */
export const blockedUntil = (now: number, retryAfterMs: number): number =>
  now + Math.min(LONGEST_BLOCK_MS, Math.ceil(retryAfterMs));

/** What a failure says about its host. @returns what is known of a host that does not answer */
export async function tellHost(settling: Settling, failure: Failure): Promise<Outage | undefined> {
  if (failure.kind === 'throttled') {
    await leaveAlone(settling, failure);
    return undefined;
  }
  if (failure.kind === 'away') {
    const outage = await countFailure(settling, failure);
    await leaveAlone(settling, failure);
    return outage;
  }
  if (failure.kind !== 'transient' || failure.host === undefined) return undefined;
  const { kind, host, reason } = failure;
  return countFailure(settling, { kind, host, reason });
}

/** They answered: whatever had failed before was not the beginning of an outage. */
export async function hostsWork(
  { transaction, facts }: Settling,
  hosts: readonly string[],
): Promise<void> {
  if (hosts.length === 0) return;
  const failing = await transaction
    .selectFrom('job_hosts')
    .select(['host', 'failures'])
    .where('host', 'in', hosts)
    .where('failures', '>', 0)
    .execute();
  for (const { host, failures } of failing) {
    await transaction.updateTable('job_hosts').set(ANSWERS).where('host', '=', host).execute();
    if (failures >= BREAKS_AFTER) facts.push(() => tell({ host, state: 'working' }));
  }
}

async function leaveAlone(
  { transaction, now, facts }: Settling,
  { host, reason, retryAfterMs }: Extract<Failure, { readonly retryAfterMs: number }>,
): Promise<void> {
  const until = blockedUntil(now, retryAfterMs);
  await ensureHost(transaction, host);
  const { numUpdatedRows } = await transaction
    .updateTable('job_hosts')
    .set({ blocked_until: until, reason })
    .where('host', '=', host)
    .where('blocked_until', '<', until)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) facts.push(() => tell({ host, state: 'blocked', until, reason }));
}

interface HostFailure {
  readonly kind: 'transient' | 'away';
  readonly host: string;
  readonly reason: string;
}

async function countFailure(
  { transaction, now, facts }: Settling,
  { kind, host, reason }: HostFailure,
): Promise<Outage | undefined> {
  await ensureHost(transaction, host);
  const before = await transaction
    .selectFrom('job_hosts')
    .select(['failures', 'failing_since', 'open_until', 'blocked_until'])
    .where('host', '=', host)
    .executeTakeFirstOrThrow();
  const since = before.failing_since ?? now;
  // Those that were under way when it opened fail too, and say nothing new.
  if (before.open_until > now) return { host, since, until: before.open_until };
  if (kind === 'away' && before.blocked_until > now) return undefined;
  const failures = before.failures + 1;
  const isOpen = failures >= BREAKS_AFTER;
  const openMs = Math.min(LONGEST_OPEN_MS, OPEN_MS * 2 ** Math.min(failures - BREAKS_AFTER, 30));
  const until = isOpen ? now + openMs : 0;
  await transaction
    .updateTable('job_hosts')
    .set({ failures, failing_since: since, open_until: until, reason })
    .where('host', '=', host)
    .execute();
  if (!isOpen) return undefined;
  facts.push(() => tell({ host, state: 'failing', until, reason }));
  return { host, since, until };
}

function tell(fact: Parameters<typeof jobHostChanged.publish>[0]): void {
  if (jobHostChanged.hasSubscribers) jobHostChanged.publish(fact);
}

/** Nothing that had failed counts any more. */
export const ANSWERS = { failures: 0, failing_since: null, open_until: 0 };

export async function ensureHost(transaction: WriteTransaction, host: string): Promise<void> {
  await transaction
    .insertInto('job_hosts')
    .values({ host, blocked_until: 0, reason: '', paused: 0, ...ANSWERS })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
