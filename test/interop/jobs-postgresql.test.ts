/** PostgreSQL itself, which several processes write at once. All else about tasks is tested on PGlite, which has one connection. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { RETRY_RULES } from '../../src/jobs/failing.ts';
import { createJobs } from '../../src/jobs/jobs.ts';
import type { JobLimits } from '../../src/jobs/limits.ts';
import type { NewTask, RunningTask, TaskHandlers, TaskOutcome } from '../../src/jobs/task.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { allIsDoneOnce, countersAreRight } from '../jobs/support/model.ts';
import { effectOf } from '../jobs/support/steps.ts';
import { copies, enqueue, START, signal, task } from '../jobs/world.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { startPostgresql } from './support/postgresql.ts';

const PROCESSES = 3;
const QUEUES = 4;
const EXECUTIONS = 40;
const MEGABYTE = 1_000_000;

describe('tasks of several processes on one PostgreSQL', { timeout: 120_000 }, () => {
  it('run in one of them at a time each, and all to their end', async (t) => {
    const work = watchedWork();
    await using world = await openProcesses(work.handlersOf, {});
    using failures = failuresOfMaintenance();
    const { processes, real } = world;

    for (const { jobs } of processes) jobs.start();
    await Promise.all(
      Array.from({ length: EXECUTIONS }, async (_, n) => {
        const by = processes[n % PROCESSES];
        assert.ok(by);
        const more = { queue: `queue ${n % QUEUES}`, exclusive: n % QUEUES === 0 };
        await by.jobs.ended(await enqueue(by, tasksOf(n), more), { signal });
      }),
    );

    t.diagnostic(`tasks by process: ${work.doneBy.join(', ')}`);
    assert.deepEqual([work.twiceAtOnce, failures.seen], [[], []]);
    assert.ok(work.doneBy.every((done) => done > 0));
    await countersAreRight(real);
    await allIsDoneOnce(real);
  });

  it('that one had in hand when it lost its connections are taken over, each by one of the others', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const begun: number[] = [];
    const handlersOf = (process: number): TaskHandlers => ({
      copy: async ({ id }) => {
        begun.push(process);
        if (process === 0) await released;
        return { alongside: effectOf({ id }) };
      },
    });
    await using world = await openProcesses(handlersOf, { leaseMs: 300 });
    const { processes, real } = world;
    const [lost, ...others] = processes;
    const [other] = others;
    assert.ok(lost && other);
    lost.jobs.start();
    const id = await enqueue(lost, copies(12));
    await until(() => begun.length === 12);
    await lost.database[Symbol.asyncDispose]();

    for (const { jobs } of others) jobs.start();
    const { succeeded } = await other.jobs.ended(id, { signal });
    release();
    await lost.jobs[Symbol.asyncDispose]();

    assert.equal(succeeded, 12);
    assert.equal(begun.length, 24);
    await countersAreRight(real);
    await allIsDoneOnce(real);
  });
});

/** Each has connections and workers of its own; they do nothing before they are started. */
async function openProcesses(
  handlersOf: (process: number) => TaskHandlers,
  limits: Partial<JobLimits>,
) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const server = opened.use(await startPostgresql(directory.path));
  const processes = Array.from({ length: PROCESSES }, (_, n) => {
    const database = opened.use(server.connect());
    const options = {
      database,
      handlers: handlersOf(n),
      classify: (error: unknown) => ({ kind: 'transient' as const, reason: String(error) }),
      now: Date.now,
      random: Math.random,
      instance: `${n}`,
    };
    const retry = { ...RETRY_RULES, baseMs: 10 };
    const own = { pollMs: 20, workers: 16, shutdownMs: 1_000, retry, ...limits };
    return { database, jobs: opened.use(createJobs({ ...options, limits: own })) };
  });
  const real = { database: opened.use(server.connect()), clock: { at: START } };
  const resources = opened.move();
  return { processes, real, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** Keys that other executions have too, and what waits for them. */
function tasksOf(n: number): readonly NewTask[] {
  const hosts = ['source', `destination-${n % 3}`];
  const blobs = Array.from({ length: 6 }, (_, blob) => {
    const key = `blob ${(n + blob) % 20}`;
    return task('copy', { hosts, key, payload: key, cost: MEGABYTE, priority: n % 3 });
  });
  return [
    ...blobs,
    task('list', { hosts: ['source'], after: [0, 1, 2] }),
    task('copy', { hosts, after: [3, 4, 5, 6] }),
  ];
}

/** Handlers that watch whether anything is done twice at once; each refuses some tasks at first. */
function watchedWork() {
  const running = new Set<unknown>();
  const refused = new Set<number>();
  const twiceAtOnce: unknown[] = [];
  const doneBy = Array.from({ length: PROCESSES }, () => 0);
  const copy = async ({ id, payload }: RunningTask): Promise<TaskOutcome> => {
    const name = typeof payload === 'string' ? payload : id;
    if (running.has(name)) twiceAtOnce.push(name);
    running.add(name);
    await delay(Math.random() * 10);
    running.delete(name);
    if (id % 7 === 0 && !refused.has(id)) {
      refused.add(id);
      throw new Error('not yet');
    }
    return { bytes: MEGABYTE, alongside: effectOf({ id }) };
  };
  const list = async (each: RunningTask): Promise<TaskOutcome> => {
    const next = [task('copy', { hosts: ['source'], replaces: true })];
    return { ...(await copy(each)), next };
  };
  const handlersOf = (process: number): TaskHandlers => {
    const counted =
      (handler: typeof copy) =>
      async (each: RunningTask): Promise<TaskOutcome> => {
        const outcome = await handler(each);
        doneBy[process] = (doneBy[process] ?? 0) + 1;
        return outcome;
      };
    return { copy: counted(copy), list: counted(list) };
  };
  return { handlersOf, twiceAtOnce, doneBy };
}

function failuresOfMaintenance() {
  const seen: unknown[] = [];
  const listening = maintenanceFailed.subscribe((fact) => void seen.push(fact));
  return { seen, [Symbol.dispose]: () => listening[Symbol.dispose]() };
}
