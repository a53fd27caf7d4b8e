import { tellHost } from './hosts.ts';
import { endTasks, heldTask, rearm, type Settling } from './settling.ts';
import type { Claim, ClaimedTask, Failure } from './task.ts';

export interface RetryRules {
  /** Of a task, until it fails for good. */
  readonly attempts: number;
  /** After bytes that were not the right ones. */
  readonly integrityRetries: number;
  readonly baseMs: number;
  readonly capMs: number;
}

export const RETRY_RULES: RetryRules = {
  attempts: 12,
  integrityRetries: 2,
  baseMs: 1_000,
  capMs: 15 * 60_000,
};

export interface FailingOptions {
  readonly rules: RetryRules;
  /** From 0 to 1. */
  readonly random: () => number;
}

/**
 * The handler threw: the task waits for its next attempt, or fails and makes fail what waits for it.
 *
 * @throws LeaseLost
 */
export async function settleFailure(
  settling: Settling,
  claim: Claim,
  { failure, ...options }: FailingOptions & { readonly failure: Failure },
): Promise<void> {
  const task = await heldTask(settling, claim);
  await tellHost(settling.transaction, failure, settling.now);
  if (task.state === 'stopping') {
    await endTasks(settling, [task], { state: 'stopped' });
    return;
  }
  if (failure.kind === 'throttled') {
    const attempts = task.attempts - 1;
    await rearm(settling, task, { attempts, failure: failure.kind, reason: failure.reason });
    return;
  }
  const mismatches = task.mismatches + (failure.kind === 'integrity' ? 1 : 0);
  if (isHopeless({ ...task, mismatches }, failure, options.rules)) {
    await endTasks(settling, [task], {
      state: 'failed',
      failure: failure.kind,
      reason: failure.reason,
    });
    return;
  }
  await rearm(settling, task, {
    mismatches,
    failure: failure.kind,
    reason: failure.reason,
    runAt: settling.now + backoffMs(task.attempts, options),
  });
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
