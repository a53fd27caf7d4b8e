/** What is known about the hosts that tasks load: who asked to be left alone, who fails. */
import type { Selectable } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { JobHostRow } from '../database/job-tables.ts';
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
/** Of a host that says that it is away, when nothing went wrong there before: it may mean one thing alone, and be well for all else. */
export const FIRST_BLOCK_MS = 5_000;
/** Who says "at once" is not. */
const SHORTEST_BLOCK_MS = 1_000;

/** Whoever was put off asks again within an hour and a quarter, if nothing keeps him from it. */
const FORGOTTEN_MS = 2 * LONGEST_BLOCK_MS;

/** A host whose breaker is open: nothing goes well there, whoever asks. */
export interface Outage {
  readonly host: string;
  /** Milliseconds UTC: since when nothing went well there, and when it is asked again. */
  readonly since: number;
  readonly until: number;
}

/** Milliseconds UTC. */
export const blockedUntil = (now: number, retryAfterMs: number): number =>
  now + Math.min(LONGEST_BLOCK_MS, Math.max(SHORTEST_BLOCK_MS, Math.ceil(retryAfterMs)));

/**
 * Beyond which nobody is put off: what is later was written while a clock was wrong. Twice what anybody may ask for, since processes'
 * clocks differ a little, and who wrote it may have looked at his a little later.
 */
export const MOST_AHEAD_MS = 2 * LONGEST_BLOCK_MS;

/** Whether a host is left alone until then. */
export const isAhead = (until: number, now: number): boolean =>
  until > now && until <= now + MOST_AHEAD_MS;

/**
 * Whether nobody asked for hours, since it was time to: a policy was paused, the node off, or there was nothing to do. Nobody's patience
 * ends over that time, in which nothing was tried.
 */
const isForgotten = (askAt: number, now: number): boolean => now - askAt > FORGOTTEN_MS;

/** Since when it has been going on, without the time in which nobody asked. Milliseconds UTC. */
export const patientSince = (
  since: number,
  { askAt, now }: { readonly askAt: number; readonly now: number },
): number => Math.min(now, isForgotten(askAt, now) ? since + now - askAt : since);

/**
 * What a failure says about its host. Failures are counted of `loaded` hosts alone, those of the task's route: of another (where blobs are
 * redirected to, or tokens are) no success would ever tell that it works.
 *
 * @returns what is known of a host that does not answer
 */
export async function tellHost(
  settling: Settling,
  failure: Failure,
  loaded: readonly string[],
): Promise<Outage | undefined> {
  if (failure.kind === 'throttled') {
    const { host } = failure;
    if (host !== undefined) await leaveAlone(settling, { ...failure, host });
    return undefined;
  }
  if (failure.kind !== 'away' && failure.kind !== 'transient') return undefined;
  const { kind, host, reason } = failure;
  const isCounted = host !== undefined && loaded.includes(host);
  const { inRow, outage } = isCounted
    ? await countFailure(settling, { kind, host, reason })
    : UNCOUNTED;
  if (failure.kind === 'away') {
    const most = inRow > 1 ? LONGEST_BLOCK_MS : FIRST_BLOCK_MS;
    const retryAfterMs = Math.min(most, failure.retryAfterMs);
    await leaveAlone(settling, { ...failure, retryAfterMs });
  }
  return outage;
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

/** Told once for each block, however many were under way when it began: again only where that gets longer by more than their answers differ. */
async function leaveAlone(
  { transaction, now, facts }: Settling,
  {
    host,
    reason,
    retryAfterMs,
  }: Extract<Failure, { readonly kind: 'away' | 'throttled' }> & { readonly host: string },
): Promise<void> {
  const until = blockedUntil(now, retryAfterMs);
  const { blocked_until } = await knownHost(transaction, host);
  const before = isAhead(blocked_until, now) ? blocked_until : now;
  if (until <= before) return;
  await transaction
    .updateTable('job_hosts')
    .set({ blocked_until: until, reason })
    .where('host', '=', host)
    .execute();
  if (until - before >= SHORTEST_BLOCK_MS)
    facts.push(() => tell({ host, state: 'blocked', until, reason }));
}

interface HostFailure {
  readonly kind: 'transient' | 'away';
  readonly host: string;
  readonly reason: string;
}

interface Counted {
  /** Failures in a row. */
  readonly inRow: number;
  readonly outage?: Outage;
}

const UNCOUNTED: Counted = { inRow: 0 };

async function countFailure(
  { transaction, now, facts }: Settling,
  { kind, host, reason }: HostFailure,
): Promise<Counted> {
  const known = await knownHost(transaction, host);
  const askAt = Math.max(known.open_until, known.blocked_until);
  // It is asked by several at first, as one that never failed.
  const before = isForgotten(askAt, now) ? { ...known, ...ANSWERS } : known;
  const since = patientSince(known.failing_since ?? now, { askAt, now });
  // Those that were under way when it opened, or was blocked, fail too, and say nothing new.
  const inRow = before.failures;
  if (isAhead(before.open_until, now))
    return { inRow, outage: { host, since, until: before.open_until } };
  if (kind === 'away' && isAhead(before.blocked_until, now)) return { inRow };
  const failures = inRow + 1;
  const isOpen = failures >= BREAKS_AFTER;
  const openMs = Math.min(LONGEST_OPEN_MS, OPEN_MS * 2 ** Math.min(failures - BREAKS_AFTER, 30));
  const until = isOpen ? now + openMs : now;
  await transaction
    .updateTable('job_hosts')
    .set({ failures, failing_since: since, open_until: until, reason })
    .where('host', '=', host)
    .execute();
  if (!isOpen) return { inRow: failures };
  facts.push(() => tell({ host, state: 'failing', until, reason }));
  return { inRow: failures, outage: { host, since, until } };
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

/** What is known of a host, which nobody else changes meanwhile: who settles is alone with it (lock.ts). */
async function knownHost(
  transaction: WriteTransaction,
  host: string,
): Promise<Selectable<JobHostRow>> {
  await ensureHost(transaction, host);
  return transaction
    .selectFrom('job_hosts')
    .selectAll()
    .where('host', '=', host)
    .executeTakeFirstOrThrow();
}
