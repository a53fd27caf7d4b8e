/**
 * What becomes of tasks while a host does not answer at all: none of their attempts counts, since each would end the same,
 * until it has been so for too long. Then all that is ready and loads the host fails, and says since when.
 */
import { endTasks } from './endings.ts';
import type { Outage } from './hosts.ts';
import { rearm } from './rearming.ts';
import { MOVABLE, type Movable, type Settling } from './settling.ts';
import { type ClaimedTask, hostsOf } from './task.ts';

/** Whoever asked in vain lets another ask next, in case that it was its own doing. */
const STEP_ASIDE_MS = 5_000;
/** Tasks that fail by one write; more of them at the next attempt, which is made at once. */
const AT_ONCE = 500;

export interface OutageFacts {
  readonly outage: Outage;
  readonly reason: string;
  /** How long a host may fail. */
  readonly patienceMs: number;
}

/** Of a task that asked in vain. */
export async function settleOutage(
  settling: Settling,
  task: ClaimedTask,
  { outage, reason, patienceMs }: OutageFacts,
): Promise<'failed' | 'delayed'> {
  const { host, since, until } = outage;
  if (settling.now - since < patienceMs) {
    const runAt = until + STEP_ASIDE_MS;
    await rearm(settling, task, {
      attempts: task.attempts - 1,
      failure: 'transient',
      reason,
      runAt,
    });
    return 'delayed';
  }
  const told = `nothing went well at ${host} since ${new Date(since).toISOString()}: ${reason}`;
  const others = await readyOf(settling, host);
  await endTasks(settling, [task, ...others], {
    state: 'failed',
    failure: 'transient',
    reason: told,
  });
  await askAtOnce(settling, host);
  return 'failed';
}

/** Ready tasks that load the host. */
async function readyOf({ transaction }: Settling, host: string): Promise<readonly Movable[]> {
  const lanes = await transaction
    .selectFrom('job_lanes')
    .select(['queue', 'route'])
    .where('ready', '>', 0)
    .execute();
  const tasks: Movable[] = [];
  for (const { queue, route } of lanes.filter((lane) => hostsOf(lane.route).includes(host))) {
    const ready = await transaction
      .selectFrom('tasks')
      .select(MOVABLE)
      .where('queue', '=', queue)
      .where('route', '=', route)
      .where('state', '=', 'ready')
      .limit(AT_ONCE - tasks.length)
      .execute();
    tasks.push(...ready);
    if (tasks.length === AT_ONCE) break;
  }
  return tasks;
}

/** Still one task at a time, and none of them has to wait for its reason. */
async function askAtOnce({ transaction, now }: Settling, host: string): Promise<void> {
  await transaction
    .updateTable('job_hosts')
    .set({ open_until: now })
    .where('host', '=', host)
    .execute();
}
