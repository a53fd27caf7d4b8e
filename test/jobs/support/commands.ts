import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { WriteTransaction } from '../../../src/database/database.ts';
import { addExecution, beginWaiting } from '../../../src/jobs/enqueue.ts';
import { settleFailure } from '../../../src/jobs/failing.ts';
import { BREAKS_AFTER, tellHost } from '../../../src/jobs/hosts.ts';
import { reap, renewLeases, takeBackOwn } from '../../../src/jobs/leases.ts';
import { settleOutcome } from '../../../src/jobs/outcomes.ts';
import { pauseHost, pauseQueue, resumeHost, resumeQueue } from '../../../src/jobs/pausing.ts';
import { failedTasks, retryTasks } from '../../../src/jobs/retrying.ts';
import { beginStop, stopSome } from '../../../src/jobs/stopping.ts';
import type { Failure, NewTask, TaskOutcome } from '../../../src/jobs/task.ts';
import { ManagementError } from '../../../src/oci/management-error.ts';
import { countersAreRight, type Hand, type Model, type Real } from './model.ts';
import {
  claimSome,
  effectOf,
  endStops,
  HOSTS,
  LEASE_MS,
  processOf,
  QUEUES,
  RULES,
  settled,
  withHand,
} from './steps.ts';

type Run = (model: Model, real: Real) => Promise<unknown>;

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
  readonly hosts: readonly string[];
  readonly waits: boolean;
  readonly priority: number;
}

const wish = fc.record({
  level: fc.nat({ max: 2 }),
  key: fc.nat({ max: 3 }),
  hosts: fc.subarray(HOSTS),
  waits: fc.boolean(),
  priority: fc.nat({ max: 1 }),
});

function tasksOf(wishes: readonly Wish[], below = 3): readonly NewTask[] {
  const sorted = wishes
    .filter(({ level }) => level < below)
    .toSorted((left, right) => left.level - right.level);
  return sorted.map(({ level, key, hosts, waits, priority }) => ({
    kind: `${level}`,
    key: key === 3 ? undefined : `${level}/${key}`,
    hosts,
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

const fail = fc
  .record({
    by: fc.nat({ max: 1 }),
    kind: fc.constantFrom('permanent', 'transient', 'throttled', 'away', 'integrity'),
    host: fc.constantFrom(...HOSTS),
  })
  .map(({ by, kind, host }) =>
    command(`fail ${by} ${kind} ${host}`, (model, real) =>
      withHand(model, real, by, ({ task }) => (settling) => {
        const reason = 'because';
        const failure: Failure =
          kind === 'throttled' || kind === 'away'
            ? { kind, reason, host, retryAfterMs: 30_000 }
            : kind === 'transient'
              ? { kind, reason, host }
              : { kind: kind === 'permanent' ? 'permanent' : 'integrity', reason };
        return settleFailure(settling, task, { failure, sent: 3, rules: RULES, random: () => 0.5 });
      }),
    ),
  );

/** Nothing went well there for a while: one task at a time finds out how it is. */
const outage = fc.constantFrom(...HOSTS).map((host) =>
  command(`outage of ${host}`, async (_, real) => {
    const failure: Failure = { kind: 'transient', reason: 'because', host };
    for (let failures = 0; failures < BREAKS_AFTER; failures++)
      await settled(real, async (settling) => {
        const known = await tellHost(settling, failure, [host]);
        real.clock.at = known?.until ?? real.clock.at;
      });
  }),
);

const renew = fc.nat({ max: 1 }).map((by) =>
  command(`renew ${by}`, async (model, real) => {
    const process = processOf(model, by);
    const until = real.clock.at + LEASE_MS;
    const claims = process.hands.map(({ task }) => task);
    const held = await real.database.write((transaction) =>
      renewLeases(transaction, claims, { until }),
    );
    const isHeld = ({ task }: Hand): boolean =>
      held.some(({ id, epoch }) => id === task.id && epoch === task.epoch);
    process.hands = process.hands.filter(isHeld);
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

/** As far as the process came before it was killed, or to its end. */
const stop = fc
  .record({ which: fc.nat({ max: 5 }), writes: fc.nat({ max: 2 }), isFinished: fc.boolean() })
  .map(({ which, writes, isFinished }) =>
    command(`stop ${which} ${writes} ${isFinished}`, async (model, real) => {
      const id = model.executions[which];
      if (id === undefined) return;
      await settled(real, (settling) => beginStop(settling, id));
      for (let write = 0; write < writes; write++)
        await settled(real, (settling) => stopSome(settling, id, 1));
      if (isFinished) await endStops(real);
    }),
  );

const retry = fc.record({ which: fc.nat({ max: 5 }), some: fc.boolean() }).map(({ which, some }) =>
  command(`retry ${which} ${some}`, async (model, real) => {
    const id = model.executions[which];
    if (id === undefined) return;
    const all = (await failedTasks(real.database, id)).flat();
    const ids = some ? all.slice(0, 1) : all;
    if (ids.length === 0) return;
    await settled(real, (settling) => retryTasks(settling, id, ids)).catch((error: unknown) => {
      if (!(error instanceof ManagementError)) throw error;
      assert.equal(error.code, 'PRECONDITION');
    });
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
  outage,
  renew,
  pass,
  reapNow,
  crash,
  stop,
  retry,
  pause,
  pauseOfHost,
];
