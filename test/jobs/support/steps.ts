import assert from 'node:assert/strict';
import { claimTasks } from '../../../src/jobs/claims.ts';
import { RETRY_RULES } from '../../../src/jobs/failing.ts';
import { reap } from '../../../src/jobs/leases.ts';
import { settleOutcome } from '../../../src/jobs/outcomes.ts';
import { resumeHost, resumeQueue } from '../../../src/jobs/pausing.ts';
import type { Along, Settling } from '../../../src/jobs/settling.ts';
import { finishStops } from '../../../src/jobs/stopping.ts';
import { type ClaimedTask, LeaseLost } from '../../../src/jobs/task.ts';
import { settleAt } from './by-hand.ts';
import {
  countersAreRight,
  type Hand,
  MOST_PER_HOST,
  type Model,
  mayRun,
  noneIsBefore,
  type Process,
  type Real,
} from './model.ts';

export const QUEUES = ['q0', 'q1', 'q2'];
export const HOSTS = ['h0', 'h1'];
export const LEASE_MS = 60_000;
export const RULES = { ...RETRY_RULES, attempts: 4 };

export async function claimSome(
  model: Model,
  real: Real,
  { by, most }: { readonly by: number; readonly most: number },
): Promise<number> {
  const process = processOf(model, by);
  const claimed = await real.database.write((transaction) =>
    claimTasks(transaction, {
      most,
      mostPerHost: MOST_PER_HOST,
      instance: process.instance,
      boot: `${process.boot}`,
      leaseMs: LEASE_MS,
      now: real.clock.at,
    }),
  );
  await noneIsBefore(real, claimed);
  for (const task of claimed) {
    await mayRun(model, real, task);
    process.hands.push({ task, leaseUntil: real.clock.at + LEASE_MS });
  }
  return claimed.length;
}

/** Fails where it is there already. */
export function effectOf({ id }: Pick<ClaimedTask, 'id'>): Along {
  return async (transaction) => {
    await transaction
      .insertInto('settings')
      .values({ name: `${id}`, value: '', updated_at: 0 })
      .execute();
  };
}

/** The first task that the process has in hand. Where its lease is lost, nothing happens. */
export async function withHand(
  model: Model,
  real: Real,
  by: number,
  work: (hand: Hand) => (settling: Settling) => Promise<unknown>,
): Promise<void> {
  const hand = processOf(model, by).hands.shift();
  if (hand === undefined) return;
  try {
    await settled(real, work(hand));
  } catch (error) {
    if (!(error instanceof LeaseLost)) throw error;
    assert.ok(hand.leaseUntil < real.clock.at, 'only a lease that lapsed is lost');
  }
}

export function settled<T>(
  { database, clock }: Real,
  work: (settling: Settling) => Promise<T>,
): Promise<T> {
  return settleAt(database, work, clock.at);
}

export async function endStops(real: Real): Promise<void> {
  await finishStops(real.database, (work) => settled(real, work));
}

/** Nothing is held back any more, and everything succeeds. */
export async function finish(model: Model, real: Real): Promise<void> {
  await settled(real, async (settling) => {
    for (const queue of QUEUES) await resumeQueue(settling, queue);
    for (const host of HOSTS) await resumeHost(settling, host);
  });
  for (let idle = 0; idle < 3; ) {
    while (processOf(model, 0).hands.length > 0) {
      await withHand(model, real, 0, ({ task }) => (settling) => {
        const outcome = { alongside: effectOf(task) };
        return settleOutcome(settling, task, { outcome, sent: 0 });
      });
    }
    real.clock.at += 20 * LEASE_MS;
    await settled(real, (settling) => reap(settling, { except: new Set(), rules: RULES }));
    await endStops(real);
    const claimed = await claimSome(model, real, { by: 0, most: 8 });
    idle = claimed === 0 ? idle + 1 : 0;
    await countersAreRight(real);
  }
}

export function processOf({ processes }: Model, by: number): Process {
  const process = processes[by];
  assert.ok(process);
  return process;
}
