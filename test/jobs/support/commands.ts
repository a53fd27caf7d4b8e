import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { WriteTransaction } from '../../../src/database/database.ts';
import { claimTasks } from '../../../src/jobs/claims.ts';
import { addExecution, beginWaiting } from '../../../src/jobs/enqueue.ts';
import { RETRY_RULES, settleFailure } from '../../../src/jobs/failing.ts';
import { reap, renewLeases, takeBackOwn } from '../../../src/jobs/leases.ts';
import { settleOutcome } from '../../../src/jobs/outcomes.ts';
import { pauseHost, pauseQueue, resumeHost, resumeQueue } from '../../../src/jobs/pausing.ts';
import { retryFailed } from '../../../src/jobs/retrying.ts';
import type { Settling } from '../../../src/jobs/settling.ts';
import { stopExecution } from '../../../src/jobs/stopping.ts';
import {
  type ClaimedTask,
  type Failure,
  LeaseLost,
  type NewTask,
  type TaskOutcome,
} from '../../../src/jobs/task.ts';
import { settle } from '../../../src/jobs/transactions.ts';
import {
  countersAreRight,
  type Hand,
  type Model,
  mayRun,
  type Process,
  type Real,
} from './model.ts';

export const QUEUES = ['q0', 'q1', 'q2'];
export const HOSTS = ['h0', 'h1'];
export const LEASE_MS = 60_000;
const RULES = { ...RETRY_RULES, attempts: 4 };

type Run = (model: Model, real: Real) => Promise<void>;

class Command implements fc.AsyncCommand<Model, Real> {
  readonly #name: string;
  readonly #run: Run;

  constructor(name: string, run: Run) {
    this.#name = name;
    this.#run = run;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    await this.#run(model, real);
    await countersAreRight(real);
  }

  toString(): string {
    return this.#name;
  }
}

const command = (name: string, run: Run): Command => new Command(name, run);

/** A task of a level waits for those of lower levels only, as tags wait for manifests and those for blobs. */
interface Wish {
  readonly level: number;
  readonly key: number;
  readonly host: number;
  readonly waits: boolean;
  readonly priority: number;
}

const wish = fc.record({
  level: fc.nat({ max: 2 }),
  key: fc.nat({ max: 3 }),
  host: fc.nat({ max: HOSTS.length }),
  waits: fc.boolean(),
  priority: fc.nat({ max: 1 }),
});

function tasksOf(wishes: readonly Wish[], below = 3): readonly NewTask[] {
  const sorted = wishes
    .filter(({ level }) => level < below)
    .toSorted((left, right) => left.level - right.level);
  return sorted.map(({ level, key, host, waits, priority }) => ({
    kind: `${level}`,
    key: key === 3 ? undefined : `${level}/${key}`,
    hosts: HOSTS.slice(host, host + 1),
    priority,
    cost: 1_000_000 * key,
    payload: {},
    after: waits
      ? sorted.flatMap((other, index) => (other.level < level ? [index] : []))
      : undefined,
  }));
}

const enqueue = fc
  .record({
    queue: fc.nat({ max: 2 }),
    wishes: fc.array(wish, { minLength: 1, maxLength: 4 }),
    exclusive: fc.boolean(),
  })
  .map(({ queue, wishes, exclusive }) =>
    command(`enqueue in ${queue} ${JSON.stringify(wishes)} ${exclusive}`, async (model, real) => {
      const { at } = real.clock;
      const tasks = tasksOf(wishes);
      const name = QUEUES[queue] ?? '';
      const added = await real.database.write(async (transaction: WriteTransaction) => {
        const execution = { kind: 'k', queue: name, trigger: 'manual', operator: 'ada' } as const;
        const one = await addExecution(transaction, { ...execution, tasks, exclusive }, at);
        await beginWaiting(transaction, one?.ended ?? [], at);
        return one;
      });
      if (added !== undefined && !model.executions.includes(added.id))
        model.executions.push(added.id);
    }),
  );

const claim = fc
  .record({ by: fc.nat({ max: 1 }), most: fc.integer({ min: 1, max: 4 }) })
  .map(({ by, most }) =>
    command(`claim ${most} by ${by}`, async (model, real) => {
      await claimSome(model, real, { by, most });
    }),
  );

export async function claimSome(
  model: Model,
  real: Real,
  { by, most }: { readonly by: number; readonly most: number },
): Promise<number> {
  const process = processOf(model, by);
  const claimed = await real.database.write((transaction) =>
    claimTasks(transaction, {
      most,
      mostPerHost: 3,
      instance: process.instance,
      boot: `${process.boot}`,
      leaseMs: LEASE_MS,
      now: real.clock.at,
    }),
  );
  for (const task of claimed) {
    await mayRun(model, real, task);
    process.hands.push({ task, leaseUntil: real.clock.at + LEASE_MS });
  }
  return claimed.length;
}

const succeed = fc
  .record({
    by: fc.nat({ max: 1 }),
    next: fc.array(wish, { maxLength: 3 }),
    replaces: fc.boolean(),
    again: fc.boolean(),
  })
  .map(({ by, next, replaces, again }) =>
    command(`succeed ${by} ${JSON.stringify(next)} ${replaces} ${again}`, (model, real) =>
      withHand(model, real, by, ({ task }) => (settling) => {
        const tasks = tasksOf(next, Number(task.kind)).map((each) => ({ ...each, replaces }));
        // What is done once is done when it is over.
        const alongside = again ? undefined : effectOf(task);
        const goesOn = again ? { payload: {} } : undefined;
        const outcome: TaskOutcome = { next: tasks, again: goesOn, bytes: 5, alongside };
        return settleOutcome(settling, task, { outcome, sent: 0 });
      }),
    ),
  );

/** Fails where it is there already. */
export function effectOf({ id }: ClaimedTask): (transaction: WriteTransaction) => Promise<void> {
  return async (transaction) => {
    await transaction
      .insertInto('settings')
      .values({ name: `${id}`, value: '', updated_at: 0 })
      .execute();
  };
}

const fail = fc
  .record({
    by: fc.nat({ max: 1 }),
    kind: fc.constantFrom('permanent', 'transient', 'throttled', 'integrity'),
    host: fc.constantFrom(...HOSTS),
  })
  .map(({ by, kind, host }) =>
    command(`fail ${by} ${kind} ${host}`, (model, real) =>
      withHand(model, real, by, ({ task }) => (settling) => {
        const reason = 'because';
        const failure: Failure =
          kind === 'throttled'
            ? { kind, reason, host, retryAfterMs: 30_000 }
            : kind === 'transient'
              ? { kind, reason, host }
              : { kind: kind === 'permanent' ? 'permanent' : 'integrity', reason };
        return settleFailure(settling, task, { failure, sent: 3, rules: RULES, random: () => 0.5 });
      }),
    ),
  );

/** The first task that the process has in hand. Where its lease is lost, nothing happens. */
async function withHand(
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

async function settled(real: Real, work: (settling: Settling) => Promise<unknown>): Promise<void> {
  await settle(real.database, () => real.clock.at, work);
}

const renew = fc.nat({ max: 1 }).map((by) =>
  command(`renew ${by}`, async (model, real) => {
    const process = processOf(model, by);
    const until = real.clock.at + LEASE_MS;
    const claims = process.hands.map(({ task }) => task);
    const held = await real.database.write((transaction) =>
      renewLeases(transaction, claims, { until }),
    );
    const ids = new Set(held.map(({ id }) => id));
    process.hands = process.hands.filter(({ task }) => ids.has(task.id));
    for (const hand of process.hands) hand.leaseUntil = until;
  }),
);

const pass = fc.integer({ min: 1, max: 90_000 }).map((ms) =>
  command(`pass ${ms}`, async (_, real) => {
    real.clock.at += ms;
  }),
);

const reapNow = fc.constant(
  command('reap', (_, real) =>
    settled(real, (settling) => reap(settling, { except: new Set(), rules: RULES })),
  ),
);

/** Killed, and started again. */
const crash = fc.nat({ max: 1 }).map((by) =>
  command(`crash ${by}`, async (model, real) => {
    const process = processOf(model, by);
    process.hands = [];
    process.boot += 1;
    const { instance } = process;
    const boot = `${process.boot}`;
    await settled(real, (settling) => takeBackOwn(settling, { instance, boot, rules: RULES }));
  }),
);

const stop = fc.nat({ max: 5 }).map((which) =>
  command(`stop ${which}`, async (model, real) => {
    const id = model.executions[which];
    if (id !== undefined) await settled(real, (settling) => stopExecution(settling, id));
  }),
);

const retry = fc.nat({ max: 5 }).map((which) =>
  command(`retry ${which}`, async (model, real) => {
    const id = model.executions[which];
    if (id !== undefined) await settled(real, (settling) => retryFailed(settling, id));
  }),
);

const pause = fc
  .record({ name: fc.constantFrom(...QUEUES), isPaused: fc.boolean() })
  .map(({ name, isPaused }) =>
    command(`${isPaused ? 'pause' : 'resume'} ${name}`, (_, real) =>
      settled(real, (settling) => (isPaused ? pauseQueue : resumeQueue)(settling, name)),
    ),
  );

const pauseOfHost = fc
  .record({ host: fc.constantFrom(...HOSTS), isPaused: fc.boolean() })
  .map(({ host, isPaused }) =>
    command(`${isPaused ? 'pause' : 'resume'} ${host}`, (_, real) =>
      settled(real, (settling) => (isPaused ? pauseHost : resumeHost)(settling, host)),
    ),
  );

export const commands = [
  enqueue,
  enqueue,
  claim,
  claim,
  claim,
  succeed,
  succeed,
  fail,
  renew,
  pass,
  reapNow,
  crash,
  stop,
  retry,
  pause,
  pauseOfHost,
];

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
    const claimed = await claimSome(model, real, { by: 0, most: 8 });
    idle = claimed === 0 ? idle + 1 : 0;
    await countersAreRight(real);
  }
}

function processOf({ processes }: Model, by: number): Process {
  const process = processes[by];
  assert.ok(process);
  return process;
}
