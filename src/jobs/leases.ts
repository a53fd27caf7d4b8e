import { sql } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { TaskState } from '../database/job-tables.ts';
import { endStopped, endTasks } from './endings.ts';
import type { RetryRules } from './failing.ts';
import { lockJobs } from './lock.ts';
import { rearm } from './rearming.ts';
import { closeAttempt, type Settling } from './settling.ts';
import type { Claim, ClaimedTask } from './task.ts';

/** The states of what somebody works on, written out: what is bound finds no index of some rows alone. */
const HELD = [sql.lit<TaskState>('running'), sql.lit<TaskState>('stopping')];

/** Extends leases. @returns those that are still held, and which of them are to stop */
export async function renewLeases(
  transaction: WriteTransaction,
  claims: readonly Claim[],
  { until }: { readonly until: number },
): Promise<readonly (Claim & { readonly isStopping: boolean })[]> {
  if (claims.length === 0) return [];
  await lockJobs(transaction);
  const renewed = await transaction
    .updateTable('tasks')
    .set({ lease_until: until })
    .where('state', 'in', ['running', 'stopping'])
    .where((task) =>
      task.or(
        claims.map(({ id, epoch }) => task.and([task('id', '=', id), task('epoch', '=', epoch)])),
      ),
    )
    .returning(['id', 'epoch', 'state'])
    .execute();
  return renewed.map(({ id, epoch, state }) => ({ id, epoch, isStopping: state === 'stopping' }));
}

/** What an earlier start of this process had when it was killed: nobody works on it, whatever its leases say. */
export async function takeBackOwn(
  settling: Settling,
  { instance, boot, rules }: { instance: string; boot: string; rules: RetryRules },
): Promise<number> {
  const left = await settling.transaction
    .selectFrom('tasks')
    .selectAll()
    .where('state', 'in', HELD)
    .where('lease_instance', '=', instance)
    .where('lease_boot', '!=', boot)
    .execute();
  await takeBack(settling, left, rules);
  return left.length;
}

/** Whose process said nothing for the whole of a lease. Those of `except` this process works on, however late it is. */
export async function reap(
  settling: Settling,
  { except, rules }: { readonly except: ReadonlySet<number>; readonly rules: RetryRules },
): Promise<number> {
  const lapsed = await settling.transaction
    .selectFrom('tasks')
    .selectAll()
    .where('state', 'in', HELD)
    .where('lease_until', '<', settling.now)
    .execute();
  const left = lapsed.filter(({ id }) => !except.has(id));
  await takeBack(settling, left, rules);
  return left.length;
}

/** The attempt counts: what ends the process each time must end itself. */
async function takeBack(
  settling: Settling,
  tasks: readonly ClaimedTask[],
  rules: RetryRules,
): Promise<void> {
  for (const task of tasks) {
    await closeAttempt(settling, task, task.progress);
    if (task.state === 'stopping') {
      await endStopped(settling, task);
    } else if (task.attempts >= rules.attempts) {
      const reason = 'its process ended in the middle of it, again and again';
      await endTasks(settling, [task], { state: 'failed', failure: 'transient', reason });
    } else await rearm(settling, task, {});
  }
}
