/** What is known about the hosts that tasks load: who asked to be left alone, who fails. */
import type { WriteTransaction } from '../database/database.ts';
import type { Failure } from './task.ts';

/** Failures in a row after which a host is left alone for a while, and then asked by one task at a time. */
export const BREAKS_AFTER = 5;
/** The first time; twice as long after each failure more. */
const OPEN_MS = 30_000;
const LONGEST_OPEN_MS = 15 * 60_000;

/** What a failure says about its host. */
export async function tellHost(
  transaction: WriteTransaction,
  failure: Failure,
  now: number,
): Promise<void> {
  if (failure.kind === 'throttled') {
    await block(transaction, failure.host, {
      until: now + failure.retryAfterMs,
      reason: failure.reason,
    });
  } else if (failure.kind === 'transient' && failure.host !== undefined) {
    await countFailure(transaction, failure.host, { now, reason: failure.reason });
  }
}

/** They answered: whatever had failed before was not the beginning of an outage. */
export async function hostsWork(
  transaction: WriteTransaction,
  hosts: readonly string[],
): Promise<void> {
  if (hosts.length === 0) return;
  await transaction
    .updateTable('job_hosts')
    .set({ failures: 0, open_until: 0 })
    .where('host', 'in', hosts)
    .where('failures', '>', 0)
    .execute();
}

async function block(
  transaction: WriteTransaction,
  host: string,
  { until, reason }: { readonly until: number; readonly reason: string },
): Promise<void> {
  await ensureHost(transaction, host);
  await transaction
    .updateTable('job_hosts')
    .set({ blocked_until: until, reason })
    .where('host', '=', host)
    .where('blocked_until', '<', until)
    .execute();
}

async function countFailure(
  transaction: WriteTransaction,
  host: string,
  { now, reason }: { readonly now: number; readonly reason: string },
): Promise<void> {
  await ensureHost(transaction, host);
  const { failures, open_until: openUntil } = await transaction
    .updateTable('job_hosts')
    .set((row) => ({ failures: row('failures', '+', 1), reason }))
    .where('host', '=', host)
    .returning(['failures', 'open_until'])
    .executeTakeFirstOrThrow();
  // Those that were under way when it opened fail too, and say nothing new.
  if (failures < BREAKS_AFTER || openUntil > now) return;
  const openMs = Math.min(LONGEST_OPEN_MS, OPEN_MS * 2 ** Math.min(failures - BREAKS_AFTER, 30));
  await transaction
    .updateTable('job_hosts')
    .set({ open_until: now + openMs })
    .where('host', '=', host)
    .execute();
}

async function ensureHost(transaction: WriteTransaction, host: string): Promise<void> {
  await transaction
    .insertInto('job_hosts')
    .values({ host, blocked_until: 0, reason: '', paused: 0, failures: 0, open_until: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
