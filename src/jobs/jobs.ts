import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Listed, ListQuery } from '../database/listing.ts';
import { waitForEnd } from './completion.ts';
import { type HostControls, hostControls, type QueueControls, queueControls } from './controls.ts';
import { addExecution, beginWaiting, type NewExecution } from './enqueue.ts';
import { type Execution, findExecution, listExecutions } from './executions.ts';
import { type FollowOptions, followExecution, type Happening } from './following.ts';
import { type JobLimits, LIMITS } from './limits.ts';
import { type Loads, loadIn } from './load.ts';
import { readLines } from './progress.ts';
import { type Resources, resourcesIn } from './resources.ts';
import { retryFailed } from './retrying.ts';
import type { Along, Settle } from './settling.ts';
import { beginStop, finishStops } from './stopping.ts';
import type { Ended } from './tally.ts';
import type { Failure, TaskHandlers } from './task.ts';
import type { LogLine } from './task-run.ts';
import { findTask, listTasks, type Task } from './tasks.ts';
import { settle, tellEnd } from './transactions.ts';
import { Workers } from './workers.ts';

export interface JobsOptions {
  readonly database: Database;
  /** By the kind of task. */
  readonly handlers: TaskHandlers;
  /** What a value that a handler threw means. */
  readonly classify: (error: unknown) => Failure;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** The same at each start of this process, and no other's: what it had in hand when it was killed is its own. */
  readonly instance: string;
  readonly limits?: Partial<JobLimits>;
}

/** What is to be done, kept until it is done. */
export interface Jobs extends Loads, AsyncDisposable {
  /**
   * Adds an execution, as part of the caller's transaction; workers of this process look for it as soon as that is durable.
   *
   * @returns undefined where the queue had one for that scheduled time; the id of the one that waits, where that takes in this one
   */
  enqueue(
    transaction: WriteTransaction,
    execution: NewExecution,
  ): Promise<{ readonly id: number } | undefined>;
  /** Workers begin; what they had in hand when the process was killed comes first. */
  start(): void;
  /**
   * Nothing of the execution begins any more, and what runs is told to end: the execution is over when it has. Tasks that other executions wait for are theirs from
   * now on. One that is over stays as it is, and nothing is written along.
   */
  stop(execution: number, along?: Along): Promise<void>;
  /**
   * Does its failed tasks again, and nothing else. Where there are none, nothing is written along.
   *
   * @returns how many
   * @throws ManagementError PRECONDITION where it is exclusive, and over, and another one of its queue is not
   */
  retryFailed(execution: number, along?: Along): Promise<number>;
  readonly queues: QueueControls;
  readonly hosts: HostControls;
  readonly executions: {
    list(query: ListQuery): Promise<Listed<Execution>>;
    get(id: number): Promise<Execution | undefined>;
    /** What happens to it, in batches, until it is over. An abort rejects. */
    follow(id: number, options: FollowOptions): AsyncIterable<readonly Happening[]>;
  };
  readonly tasks: {
    list(query: ListQuery): Promise<Listed<Task>>;
    get(id: number): Promise<Task | undefined>;
    /** The last lines that its handler logged, the oldest first. */
    log(id: number): Promise<readonly LogLine[]>;
  };
  /** What the tasks of an execution are about. */
  readonly resources: Resources;
  /** Waits until an execution is over. An abort stops waiting, and rejects. @throws RangeError where there is none of that id */
  ended(execution: number, options: { readonly signal: AbortSignal }): Promise<Execution>;
}

export function createJobs(options: JobsOptions): Jobs {
  const { database, now } = options;
  const { retry, workers: most, perHost, ...limits } = { ...LIMITS, ...options.limits };
  const endings = new EventEmitter().setMaxListeners(0);
  const heard = (ended: readonly Ended[]): void => {
    for (const { id } of ended) endings.emit(`${id}`);
  };
  const settled: Settle = async (work) => {
    const { value, ended } = await settle(database, now, work);
    heard(ended);
    return value;
  };
  const rules = { rules: retry, mostPerHost: perHost, boot: randomUUID() };
  const workers = new Workers({ ...options, ...limits, ...rules, most, settle: settled });
  const settledThenWake: Settle = async (work) => {
    const value = await settled(work);
    workers.wake();
    return value;
  };

  return {
    async enqueue(transaction, execution) {
      const added = await addExecution(transaction, execution, now());
      if (added === undefined) return undefined;
      await beginWaiting(transaction, added.ended, now());
      // The claim waits for the writer, and so for the end of this transaction.
      workers.wake();
      return { id: added.id };
    },
    start: () => workers.start(),
    async stop(execution, along) {
      const { running, ended } = await settled((settling) => beginStop(settling, execution, along));
      workers.stop(running);
      heard(ended);
      for (const each of ended) tellEnd(each);
      await finishStops(database, settled);
      workers.wake();
    },
    retryFailed: (execution, along) =>
      retryFailed({ database, settle: settledThenWake }, execution, along),
    queues: queueControls(settledThenWake, database.read, () => workers.release()),
    hosts: hostControls(settledThenWake, () => workers.release()),
    executions: executionsIn(database),
    tasks: {
      list: (query) => listTasks(database.read, query),
      get: (id) => findTask(database.read, id),
      log: (id) => readLines(database.read, id),
    },
    resources: resourcesIn(database),
    ...loadIn(database),
    ended: (execution, { signal }) =>
      waitForEnd({ database, endings, pollMs: limits.pollMs }, execution, signal),
    [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
  };
}

function executionsIn(database: Database): Jobs['executions'] {
  return {
    list: (query) => listExecutions(database.read, query),
    get: (id) => findExecution(database.read, id),
    follow: (id, options) => followExecution(database, id, options),
  };
}
