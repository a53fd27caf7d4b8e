import { endStopped, endTasks } from './endings.ts';
import { blockedUntil, tellHost } from './hosts.ts';
import { settleAway, settleOutage } from './outages.ts';
import { rearm } from './rearming.ts';
import { closeAttempt, heldTask, type Settling } from './settling.ts';
import { type Claim, type ClaimedTask, type Failure, hostsOf } from './task.ts';

export interface RetryRules {
  /** Of a task, until it fails for good. */
  readonly attempts: number;
  /** After bytes that were not the right ones. */
  readonly integrityRetries: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** How long a host may answer nothing until what loads it fails, and how long it may put off a task. */
  readonly patienceMs: number;
}

export const RETRY_RULES: RetryRules = {
  attempts: 12,
  integrityRetries: 2,
  baseMs: 1_000,
  capMs: 15 * 60_000,
  patienceMs: 24 * 60 * 60_000,
};

export interface FailingOptions {
  readonly rules: RetryRules;
  /** From 0 to 1. */
  readonly random: () => number;
}

interface FailedAttempt {
  readonly failure: Failure;
  /** Bytes. */
  readonly sent: number;
}

/**
 * The handler threw: the task waits for its next attempt, or fails and makes fail what waits for it.
 *
 * @throws LeaseLost
 */
export async function settleFailure(
  settling: Settling,
  claim: Claim,
  { failure, sent, ...options }: FailingOptions & FailedAttempt,
): Promise<'stopped' | 'throttled' | 'failed' | 'delayed'> {
  const task = await heldTask(settling, claim);
  await closeAttempt(settling, task, sent);
  const loaded = hostsOf(task.route);
  const outage = await tellHost(settling, failure, loaded);
  if (task.state === 'stopping') {
    await endStopped(settling, task);
    return 'stopped';
  }
  if (failure.kind === 'throttled') {
    // The block of the host holds back what says that it loads it.
    const isHeld = failure.host !== undefined && loaded.includes(failure.host);
    if (failure.isHearsay === true)
      return settleAway(settling, task, failure, { ...options.rules, isHeld });
    await rearm(settling, task, {
      attempts: task.attempts - 1,
      failure: failure.kind,
      reason: failure.reason,
      runAt: isHeld ? undefined : blockedUntil(settling.now, failure.retryAfterMs),
    });
    return 'throttled';
  }
  if (outage !== undefined) {
    const { reason } = failure;
    const { patienceMs } = options.rules;
    return settleOutage(settling, task, { outage, reason, patienceMs });
  }
  if (failure.kind === 'away') return settleAway(settling, task, failure, options.rules);
  const mismatches = task.mismatches + (failure.kind === 'integrity' ? 1 : 0);
  if (isHopeless({ ...task, mismatches }, failure, options.rules)) {
    await endTasks(settling, [task], {
      state: 'failed',
      failure: failure.kind,
      reason: failure.reason,
    });
    return 'failed';
  }
  await rearm(settling, task, {
    mismatches,
    failure: failure.kind,
    reason: failure.reason,
    runAt: settling.now + backoffMs(task.attempts, options),
  });
  return 'delayed';
}

function isHopeless(
  { attempts, mismatches }: Pick<ClaimedTask, 'attempts' | 'mismatches'>,
  { kind }: Failure,
  rules: RetryRules,
): boolean {
  return kind === 'permanent' || attempts >= rules.attempts || mismatches > rules.integrityRetries;
}

/** Full jitter: anything up to twice as long as the time before, so that those that failed together do not come back together. */
function backoffMs(attempts: number, { rules, random }: FailingOptions): number {
  const most = Math.min(rules.capMs, rules.baseMs * 2 ** Math.min(attempts - 1, 30));
  return Math.ceil(random() * most);
}
