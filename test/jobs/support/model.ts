import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../../../src/database/database.ts';
import { BREAKS_AFTER } from '../../../src/jobs/hosts.ts';
import { type ClaimedTask, hostsOf } from '../../../src/jobs/task.ts';

export const MOST_PER_HOST = 2;

/** A task that a process works on, as far as the process knows. */
export interface Hand {
  readonly task: ClaimedTask;
  leaseUntil: number;
}

/** One that claims tasks; `boot` counts its starts. */
export interface Process {
  readonly instance: string;
  boot: number;
  hands: Hand[];
}

/** What is true of the queue, whatever happens. */
export interface Model {
  readonly processes: readonly Process[];
  /** Ids of executions. */
  readonly executions: number[];
}

export interface Real {
  readonly database: Database;
  readonly clock: { at: number };
}

export function newModel(): Model {
  return {
    processes: ['one', 'two'].map((instance) => ({ instance, boot: 0, hands: [] })),
    executions: [],
  };
}

/** Nobody else works on it, or on anything that brings about the same, and what it waited for is done. */
export async function mayRun({ processes }: Model, real: Real, task: ClaimedTask): Promise<void> {
  for (const hand of processes.flatMap(({ hands }) => hands)) {
    if (hand.leaseUntil < real.clock.at) continue;
    assert.notEqual(hand.task.id, task.id, 'run twice at once');
    assert.ok(task.key === null || hand.task.key !== task.key, 'its key is worked on');
  }
  const unfinished = await real.database.read
    .selectFrom('task_dependencies')
    .innerJoin('tasks', 'tasks.id', 'task_dependencies.blocker')
    .select('tasks.id')
    .where('task', '=', task.id)
    .where('state', '!=', 'succeeded')
    .execute();
  assert.deepEqual(unfinished, [], 'it begins after what it waits for');
}

/**
 * What is left ready of a higher priority than some of those that were claimed could not have begun in their place; and where it lacks
 * room at one of its hosts, they leave it a place at the others, but for hosts where one task at a time finds out how these are. Of each
 * priority from its own up, one such place may be kept from it.
 */
export async function noneIsBefore(
  { database: { read }, clock }: Real,
  claimed: readonly ClaimedTask[],
): Promise<void> {
  const tasks = await read
    .selectFrom('tasks')
    .innerJoin('executions', 'executions.id', 'tasks.execution')
    .innerJoin('job_queues', 'job_queues.name', 'tasks.queue')
    .select(['tasks.id', 'state', 'priority', 'route', 'stopping', 'paused'])
    .where('state', 'in', ['ready', 'running', 'stopping'])
    .execute();
  const known = await read.selectFrom('job_hosts').selectAll().execute();
  const isClosed = (name: string): boolean =>
    known.some(({ host, paused, blocked_until, open_until }) => {
      return host === name && (paused === 1 || Math.max(blocked_until, open_until) > clock.at);
    });
  const isProbed = (name: string): boolean =>
    known.some(({ host, failures }) => host === name && failures >= BREAKS_AFTER);
  const roomAt = (name: string, running: readonly { readonly route: string }[]): number => {
    const load = running.filter(({ route }) => hostsOf(route).includes(name)).length;
    return (isProbed(name) ? 1 : MOST_PER_HOST) - load;
  };
  const running = tasks.filter(({ state }) => state !== 'ready');
  const left = tasks.filter(
    ({ state, stopping, paused, route }) =>
      state === 'ready' && stopping === 0 && paused === 0 && !hostsOf(route).some(isClosed),
  );
  for (const { id, priority, route } of left) {
    const lower = claimed.filter((each) => each.priority < priority);
    if (lower.length === 0) continue;
    const before = running.filter((each) => !lower.some((one) => one.id === each.id));
    const isFull = (host: string): boolean => roomAt(host, before) <= 0;
    const lacking = left.filter((each) => {
      return each.priority >= priority && hostsOf(each.route).some(isFull);
    });
    const kept = (host: string): number => {
      if (isProbed(host)) return 0;
      const keeping = lacking.filter((each) => hostsOf(each.route).includes(host));
      return new Set(keeping.map((each) => each.priority)).size;
    };
    const mayBegin = hostsOf(route).every((host) => roomAt(host, before) > kept(host));
    assert.ok(!mayBegin, `task ${id} of priority ${priority} is before ${lower[0]?.id}`);
    if (!hostsOf(route).some(isFull)) continue;
    const taken = hostsOf(route).filter((host) => {
      return !isFull(host) && !isProbed(host) && roomAt(host, running) <= 0;
    });
    assert.deepEqual(taken, [], `task ${id} of priority ${priority} has a place there`);
  }
}

/** The counters are those of the tasks, and the status follows them. */
export async function countersAreRight({ database: { read } }: Real): Promise<void> {
  const tasks = await read
    .selectFrom('tasks')
    .select(['execution', 'queue', 'priority', 'route', 'state', 'pending', 'follows'])
    .execute();
  const executions = await read.selectFrom('executions').selectAll().execute();
  const alone = executions.filter((row) => row.exclusive === 1 && row.status === 'running');
  const queues = alone.map(({ queue }) => queue);
  assert.deepEqual([...new Set(queues)], queues, 'exclusive ones run one at a time');
  for (const row of executions) {
    const states = tasks.filter(({ execution }) => execution === row.id).map(({ state }) => state);
    const count = (state: string): number => states.filter((each) => each === state).length;
    const [succeeded, failed, stopped] = [count('succeeded'), count('failed'), count('stopped')];
    const live = states.length - succeeded - failed - stopped;
    const { total } = row;
    assert.deepEqual(
      { total, live: row.live, succeeded: row.succeeded, failed: row.failed, stopped: row.stopped },
      { total: states.length, live, succeeded, failed, stopped },
      `execution ${row.id}`,
    );
    const told = failed > 0 ? 'failed' : stopped > 0 ? 'stopped' : 'succeeded';
    if (total > 0) assert.equal(row.status, live > 0 ? 'running' : told);
    assert.equal(row.ended_at === null, row.status === 'running' || row.status === 'waiting');
  }
  for (const lane of await read.selectFrom('job_lanes').selectAll().execute()) {
    const states = tasks
      .filter(({ queue, priority, route }) => {
        const name = [lane.queue, lane.priority, lane.route];
        return isDeepStrictEqual([queue, priority, route], name);
      })
      .map(({ state }) => state);
    const ready = states.filter((state) => state === 'ready').length;
    const running = states.filter((state) => state === 'running' || state === 'stopping').length;
    assert.deepEqual({ ready: lane.ready, running: lane.running }, { ready, running }, lane.queue);
  }
  for (const { state, pending, follows } of tasks)
    if (state === 'waiting') assert.ok(pending > 0 || follows !== null, 'it waits for something');
}

/** All is over; what succeeded was done once, by itself or by the one that it followed, and nothing else was. */
export async function allIsDoneOnce({ database: { read } }: Real): Promise<void> {
  const effects = await read.selectFrom('settings').select('name').execute();
  const done = new Set(effects.map(({ name }) => Number(name)));
  for (const task of await read.selectFrom('tasks').selectAll().execute()) {
    assert.ok(task.ended_at !== null, `task ${task.id} is ${task.state}`);
    const isDone = task.state === 'succeeded' && task.follows === null;
    assert.equal(done.has(task.id), isDone, `task ${task.id} is ${task.state}`);
  }
}
