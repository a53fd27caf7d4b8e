/**
 * What becomes of tasks while a host does not answer at all, or says that it is away: none of their attempts counts, since each would end the same,
 * until it has been so for too long. Then all that is ready and loads the host fails, and says since when.
 */
import { endTasks } from './endings.ts';
import { blockedUntil, type Outage, patientSince } from './hosts.ts';
import { rearm } from './rearming.ts';
import { MOVABLE, type Movable, type Settling } from './settling.ts';
import { type ClaimedTask, type Failure, hostsOf } from './task.ts';

/** Whoever asked in vain lets another ask next, in case that it was its own doing. */
const STEP_ASIDE_MS = 5_000;
/** Tasks that fail by one write; more of them at the next attempt, which is made at once. */
const AT_ONCE = 500;

export interface OutageFacts {
  readonly outage: Outage;
  readonly reason: string;
  /** How long a host may fail, while it is asked. */
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

interface AwayRules {
  /** How long a task may be put off. */
  readonly patienceMs: number;
  /** How long it stands back at most. */
  readonly capMs: number;
  /** The block of the host alone holds it back. */
  readonly isHeld?: boolean;
}

/**
 * Of a task that was put off by a host which may be well for others: it stands back for as long as that has been going on,
 * so that they get their turns, and fails in the end. What goes by while nobody asks does not count.
 */
export async function settleAway(
  settling: Settling,
  task: ClaimedTask,
  { reason, retryAfterMs }: Extract<Failure, { readonly retryAfterMs: number }>,
  { patienceMs, capMs, isHeld = false }: AwayRules,
): Promise<'failed' | 'throttled'> {
  const { now } = settling;
  const { away_since, away_until } = task;
  const isFirst = away_since === null || away_until === null;
  const since = isFirst ? now : patientSince(away_since, { askAt: away_until, now });
  const failure = 'transient';
  if (now - since >= patienceMs) {
    const told = `put off since ${new Date(since).toISOString()}: ${reason}`;
    await endTasks(settling, [task], { state: 'failed', failure, reason: told });
    return 'failed';
  }
  const standBackMs = isHeld ? 0 : Math.min(capMs, now - since);
  const askAt = blockedUntil(now, retryAfterMs) + standBackMs;
  await rearm(settling, task, {
    attempts: task.attempts - 1,
    away_since: since,
    away_until: askAt,
    failure,
    reason,
    runAt: isHeld ? undefined : askAt,
  });
  return 'throttled';
}

/** Ready tasks that load the host. */
async function readyOf({ transaction }: Settling, host: string): Promise<readonly Movable[]> {
  const lanes = await transaction
    .selectFrom('job_lanes')
    .select(['queue', 'priority', 'route'])
    .where('ready', '>', 0)
    .execute();
  const tasks: Movable[] = [];
  for (const { queue, priority, route } of lanes.filter((lane) =>
    hostsOf(lane.route).includes(host),
  )) {
    const ready = await transaction
      .selectFrom('tasks')
      .select(MOVABLE)
      .where('queue', '=', queue)
      .where('route', '=', route)
      .where('priority', '=', priority)
      .where('state', '=', 'ready')
      .limit(AT_ONCE - tasks.length)
      .execute();
    tasks.push(...ready);
    if (tasks.length === AT_ONCE) break;
  }
  return tasks;
}

/** Still one task at a time, and none of them has to wait for its reason, whatever the host said last of how long. */
async function askAtOnce({ transaction, now }: Settling, host: string): Promise<void> {
  await transaction
    .updateTable('job_hosts')
    .set({ open_until: now, blocked_until: now })
    .where('host', '=', host)
    .execute();
}
