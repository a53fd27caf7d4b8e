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

/** What a failure says about its host. */
export async function tellHost(settling: Settling, failure: Failure): Promise<void> {
  const { reason } = failure;
  if (failure.kind === 'throttled') {
    const until = settling.now + Math.ceil(failure.retryAfterMs);
    await block(settling, failure.host, { until, reason });
  } else if (failure.kind === 'transient' && failure.host !== undefined) {
    await countFailure(settling, failure.host, reason);
  }
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
    await transaction
      .updateTable('job_hosts')
      .set({ failures: 0, open_until: 0 })
      .where('host', '=', host)
      .execute();
    if (failures >= BREAKS_AFTER) facts.push(() => tell({ host, state: 'working' }));
  }
}

async function block(
  { transaction, facts }: Settling,
  host: string,
  { until, reason }: { readonly until: number; readonly reason: string },
): Promise<void> {
  await ensureHost(transaction, host);
  const { numUpdatedRows } = await transaction
    .updateTable('job_hosts')
    .set({ blocked_until: until, reason })
    .where('host', '=', host)
    .where('blocked_until', '<', until)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) facts.push(() => tell({ host, state: 'blocked', until, reason }));
}

async function countFailure(
  { transaction, now, facts }: Settling,
  host: string,
  reason: string,
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
  const until = now + openMs;
  await transaction
    .updateTable('job_hosts')
    .set({ open_until: until })
    .where('host', '=', host)
    .execute();
  facts.push(() => tell({ host, state: 'failing', until, reason }));
}

function tell(fact: Parameters<typeof jobHostChanged.publish>[0]): void {
  if (jobHostChanged.hasSubscribers) jobHostChanged.publish(fact);
}

export async function ensureHost(transaction: WriteTransaction, host: string): Promise<void> {
  await transaction
    .insertInto('job_hosts')
    .values({ host, blocked_until: 0, reason: '', paused: 0, failures: 0, open_until: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
