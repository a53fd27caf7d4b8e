/**
 * What changes when tasks change their state: the counters of their execution and of their lane. Whoever moves a task
 * tells the tally, and writes it in the same transaction, so that counters are never wrong and the status follows them.
 */
import type { Selectable } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { ExecutionRow, ExecutionStatus, TaskState } from '../database/job-tables.ts';
import { becameBusy, charge, chargeOf, type LaneName } from './shares.ts';
import type { ClaimedTask } from './task.ts';

export interface Placed {
  readonly execution: number;
  readonly queue: string;
  readonly priority: number;
  readonly route: string;
}

export const PLACED = ['execution', 'queue', 'priority', 'route'] as const;

interface ExecutionChange {
  total: number;
  live: number;
  succeeded: number;
  failed: number;
  stopped: number;
  bytes: number;
}

interface LaneChange extends LaneName {
  ready: number;
  running: number;
  /** Bytes. */
  charged: number;
}

/** An execution whose last task is over. */
export interface Ended {
  readonly id: number;
  readonly kind: string;
  readonly queue: string;
  readonly trigger: string;
  readonly exclusive: boolean;
  readonly status: ExecutionStatus;
  readonly tasks: number;
  readonly failed: number;
  readonly bytes: number;
  readonly durationMs: number;
}

export class Tally {
  readonly #executions = new Map<number, ExecutionChange>();
  readonly #lanes = new Map<string, LaneChange>();

  /** So many new tasks are in that state. */
  added(placed: Placed, state: TaskState, count = 1): void {
    this.#execution(placed.execution).total += count;
    this.#count(placed, state, count);
  }

  moved(placed: Placed, from: TaskState, to: TaskState, count = 1): void {
    this.#count(placed, from, -count);
    this.#count(placed, to, count);
  }

  /** The task has another priority now; what it was charged goes along. */
  preferred(
    placed: Placed,
    { priority, state, cost }: Pick<ClaimedTask, 'priority' | 'state' | 'cost'>,
  ): void {
    const counter = laneCounter(state);
    if (counter === undefined) return;
    const [from, to] = [this.#lane(placed), this.#lane({ ...placed, priority })];
    from[counter] -= 1;
    to[counter] += 1;
    if (counter === 'ready') return;
    from.charged -= chargeOf(cost);
    to.charged += chargeOf(cost);
  }

  /** So many bytes were moved for the execution. */
  sent(execution: number, bytes: number): void {
    this.#execution(execution).bytes += bytes;
  }

  /** So many bytes count in the share of the task's queue and lane; fewer than none where it had been charged for more. */
  charged(placed: Placed, bytes: number): void {
    this.#lane(placed).charged += bytes;
  }

  /** @returns the executions that are over by this */
  async write(transaction: WriteTransaction, now: number): Promise<readonly Ended[]> {
    // In one order, whoever writes: two that wait for each other's rows would wait for ever.
    const lanes = [...this.#lanes].toSorted(([left], [right]) => (left < right ? -1 : 1));
    for (const [, lane] of lanes) await writeLane(transaction, lane);
    const ended: Ended[] = [];
    for (const [id, change] of [...this.#executions].toSorted(([left], [right]) => left - right)) {
      const over = await writeExecution(transaction, { id, change, now });
      if (over !== undefined) ended.push(over);
    }
    return ended;
  }

  #count(placed: Placed, state: TaskState, count: number): void {
    this.#execution(placed.execution)[executionCounter(state)] += count;
    const counter = laneCounter(state);
    if (counter !== undefined) this.#lane(placed)[counter] += count;
  }

  #execution(id: number): ExecutionChange {
    const known = this.#executions.get(id);
    if (known !== undefined) return known;
    const change = { total: 0, live: 0, succeeded: 0, failed: 0, stopped: 0, bytes: 0 };
    this.#executions.set(id, change);
    return change;
  }

  #lane({ queue, priority, route }: LaneName): LaneChange {
    const key = JSON.stringify([queue, priority, route]);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const change = { queue, priority, route, ready: 0, running: 0, charged: 0 };
    this.#lanes.set(key, change);
    return change;
  }
}

function executionCounter(state: TaskState): 'live' | 'succeeded' | 'failed' | 'stopped' {
  return state === 'succeeded' || state === 'failed' || state === 'stopped' ? state : 'live';
}

function laneCounter(state: TaskState): 'ready' | 'running' | undefined {
  if (state === 'ready') return 'ready';
  return state === 'running' || state === 'stopping' ? 'running' : undefined;
}

async function writeLane(
  transaction: WriteTransaction,
  { ready, running, charged, ...name }: LaneChange,
): Promise<void> {
  if (ready === 0 && running === 0 && charged === 0) return;
  const lane = await transaction
    .insertInto('job_lanes')
    .values({ ...name, ready, running, vtime: 0 })
    .onConflict((conflict) =>
      conflict.columns(['queue', 'priority', 'route']).doUpdateSet((row) => ({
        ready: row('job_lanes.ready', '+', ready),
        running: row('job_lanes.running', '+', running),
      })),
    )
    .returning(['ready', 'running'])
    .executeTakeFirstOrThrow();
  const before = lane.ready - ready + lane.running - running;
  if (before === 0 && lane.ready + lane.running > 0) await becameBusy(transaction, name);
  // From where it begins.
  if (charged !== 0) await charge(transaction, name, charged);
}

async function writeExecution(
  transaction: WriteTransaction,
  { id, change, now }: { id: number; change: ExecutionChange; now: number },
): Promise<Ended | undefined> {
  if (Object.values(change).every((count) => count === 0)) return undefined;
  const execution = await transaction
    .updateTable('executions')
    .set((row) => ({
      total: row('total', '+', change.total),
      live: row('live', '+', change.live),
      succeeded: row('succeeded', '+', change.succeeded),
      failed: row('failed', '+', change.failed),
      stopped: row('stopped', '+', change.stopped),
      bytes: row('bytes', '+', change.bytes),
    }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const status = statusOf(execution);
  if (status === execution.status) return undefined;
  const isOver = status !== 'running';
  await transaction
    .updateTable('executions')
    .set({ status, ended_at: isOver ? now : null })
    .where('id', '=', id)
    .execute();
  return isOver ? endOf({ ...execution, status }, now) : undefined;
}

export function endOf(execution: Selectable<ExecutionRow>, now: number): Ended {
  return {
    id: execution.id,
    kind: execution.kind,
    queue: execution.queue,
    trigger: execution.trigger,
    exclusive: execution.exclusive === 1,
    status: execution.status,
    tasks: execution.total,
    failed: execution.failed,
    bytes: execution.bytes,
    durationMs: now - (execution.started_at ?? execution.created_at),
  };
}

/** Told by the tasks alone, so that a later success heals it. */
function statusOf({
  live,
  failed,
  stopped,
}: Pick<ExecutionChange, 'live' | 'failed' | 'stopped'>): ExecutionStatus {
  if (live > 0) return 'running';
  if (failed > 0) return 'failed';
  return stopped > 0 ? 'stopped' : 'succeeded';
}
