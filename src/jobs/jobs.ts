import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Listed, ListQuery } from '../database/listing.ts';
import { addExecution, beginWaiting, type NewExecution } from './enqueue.ts';
import { type Execution, findExecution, listExecutions } from './executions.ts';
import { RETRY_RULES, type RetryRules } from './failing.ts';
import type { Failure, TaskHandlers } from './task.ts';
import { findTask, listTasks, type Task } from './tasks.ts';
import { Workers } from './workers.ts';

export interface JobLimits {
  /** Tasks at once in this process. */
  readonly workers: number;
  /** Tasks at once that load one host, over all processes. */
  readonly perHost: number;
  /** A process that says nothing for so long loses its tasks. */
  readonly leaseMs: number;
  /** How long what another process added waits at most. */
  readonly pollMs: number;
  /** How long tasks are waited for that are told to end because the node stops. */
  readonly shutdownMs: number;
  readonly retry: RetryRules;
}

const LIMITS: JobLimits = {
  workers: 16,
  perHost: 8,
  leaseMs: 60_000,
  pollMs: 1_000,
  shutdownMs: 10_000,
  retry: RETRY_RULES,
};

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
export interface Jobs extends AsyncDisposable {
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
  readonly executions: {
    list(query: ListQuery): Promise<Listed<Execution>>;
    get(id: number): Promise<Execution | undefined>;
  };
  readonly tasks: {
    list(query: ListQuery): Promise<Listed<Task>>;
    get(id: number): Promise<Task | undefined>;
  };
  /** Waits until an execution is over. An abort stops waiting, and rejects. @throws RangeError where there is none of that id */
  ended(execution: number, options: { readonly signal: AbortSignal }): Promise<Execution>;
}

export function createJobs(options: JobsOptions): Jobs {
  const { database, now } = options;
  const { retry, workers: most, perHost, ...limits } = { ...LIMITS, ...options.limits };
  const endings = new EventEmitter().setMaxListeners(0);
  const workers = new Workers({
    ...options,
    ...limits,
    most,
    rules: retry,
    mostPerHost: perHost,
    boot: randomUUID(),
    ended: (ended) => {
      for (const { id } of ended) endings.emit(`${id}`);
    },
  });

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
    executions: {
      list: (query) => listExecutions(database.read, query),
      get: (id) => findExecution(database.read, id),
    },
    tasks: {
      list: (query) => listTasks(database.read, query),
      get: (id) => findTask(database.read, id),
    },
    ended: (execution, { signal }) =>
      waitForEnd({ database, endings, pollMs: limits.pollMs }, execution, signal),
    [Symbol.asyncDispose]: () => workers[Symbol.asyncDispose](),
  };
}

interface Endings {
  readonly database: Database;
  /** Emits the id of each execution that this process ends. */
  readonly endings: EventEmitter;
  readonly pollMs: number;
}

async function waitForEnd(
  { database, endings, pollMs }: Endings,
  id: number,
  signal: AbortSignal,
): Promise<Execution> {
  for (;;) {
    signal.throwIfAborted();
    const waiting = AbortSignal.any([signal, AbortSignal.timeout(pollMs)]);
    // Listens before it looks, so that nothing is missed between.
    const heard = once(endings, `${id}`, { signal: waiting }).catch(ignored);
    const execution = await findExecution(database.read, id);
    if (execution === undefined) throw new RangeError(`there is no execution ${id}`);
    if (execution.status !== 'waiting' && execution.status !== 'running') return execution;
    await heard;
  }
}

function ignored(): void {}
