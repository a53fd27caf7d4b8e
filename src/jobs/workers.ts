/** Claims tasks while there is room for them, runs them, and says that they are still worked on. */
import { setTimeout as delay } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Database } from '../database/database.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import { type ClaimOptions, claimTasks, mayClaim } from './claims.ts';
import { type RetryRules, settleFailure } from './failing.ts';
import { reap, renewLeases, takeBackOwn } from './leases.ts';
import { heldTask, rearm, settleOutcome } from './settling.ts';
import type { Ended } from './tally.ts';
import {
  type ClaimedTask,
  type Failure,
  LeaseLost,
  type RunningTask,
  type TaskHandlers,
  type TaskOutcome,
} from './task.ts';
import { settle } from './transactions.ts';

export interface WorkerOptions
  extends Pick<ClaimOptions, 'instance' | 'boot' | 'leaseMs' | 'mostPerHost'> {
  readonly database: Database;
  readonly handlers: TaskHandlers;
  readonly classify: (error: unknown) => Failure;
  readonly now: () => number;
  readonly random: () => number;
  readonly rules: RetryRules;
  /** Tasks at once in this process. */
  readonly most: number;
  /** How long what other processes made ready waits at most. */
  readonly pollMs: number;
  /** How long tasks that are told to end are waited for when the node stops. */
  readonly shutdownMs: number;
  /** Executions are over. */
  readonly ended: (ended: readonly Ended[]) => void;
}

/** Why a task is to end now. */
class TaskStopped extends Error {
  override readonly name = 'TaskStopped';
}
class NodeStops extends Error {
  override readonly name = 'NodeStops';
}

interface Running {
  readonly task: ClaimedTask;
  readonly controller: AbortController;
}

export class Workers implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #queue: PQueue;
  readonly #running = new Map<number, Running>();
  readonly #timers = new DisposableStack();
  #claiming: Promise<void> | undefined;
  #isWanted = false;
  #isStarted = false;
  #isStopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.most });
  }

  /** What an earlier start of the process left unfinished is taken up at once. */
  start(): void {
    const { pollMs, leaseMs } = this.#options;
    this.#isStarted = true;
    this.#every(pollMs, () => this.#poll());
    this.#every(leaseMs / 3, () => this.#attempted('renewal of leases', () => this.#renew()));
    void this.#attempted('recovery of tasks', () => this.#recover()).then(() => this.wake());
  }

  /** Something may be ready. */
  wake(): void {
    this.#isWanted = true;
    if (!this.#isStarted || this.#isStopping) return;
    this.#claiming ??= this.#attempted('claim of tasks', () => this.#claim()).finally(() => {
      this.#claiming = undefined;
      if (this.#isWanted && this.#room > 0) this.wake();
    });
  }

  /** Tasks of an execution that run here are told to end. */
  stop(execution: number): void {
    for (const { task, controller } of this.#running.values())
      if (task.execution === execution) controller.abort(new TaskStopped());
  }

  /** What runs is told to end, and can be claimed again as soon as it has; its attempt does not count. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    this.#timers.dispose();
    await this.#claiming;
    for (const { controller } of this.#running.values()) controller.abort(new NodeStops());
    // Who does not listen keeps the lease, and the next start takes it back.
    const stop = new AbortController();
    const late = delay(this.#options.shutdownMs, undefined, { signal: stop.signal }).catch(ignored);
    await Promise.race([this.#queue.onIdle(), late]);
    stop.abort();
  }

  get #room(): number {
    return this.#options.most - this.#running.size;
  }

  async #claim(): Promise<void> {
    const { database, now, ...options } = this.#options;
    while (this.#isWanted && this.#room > 0 && !this.#isStopping) {
      this.#isWanted = false;
      const most = this.#room;
      const claimed = await database.write((transaction) =>
        claimTasks(transaction, { ...options, most, now: now() }),
      );
      for (const task of claimed) this.#begin(task);
      // There may be more behind them.
      if (claimed.length === most) this.#isWanted = true;
    }
  }

  #begin(task: ClaimedTask): void {
    const running = { task, controller: new AbortController() };
    this.#running.set(task.id, running);
    void this.#queue.add(async () => {
      await this.#attempted('settling of a task', () => this.#run(running));
      this.#running.delete(task.id);
      this.wake();
    });
  }

  async #run({ task, controller }: Running): Promise<void> {
    const { signal } = controller;
    try {
      const outcome = await this.#handle(task, signal);
      await this.#settle((settling) => settleOutcome(settling, task, outcome ?? {}));
    } catch (error) {
      if (error instanceof LeaseLost || signal.reason instanceof LeaseLost) return;
      await this.#settleThrown(task, signal.aborted ? signal.reason : error).catch(unlessLost);
    }
  }

  async #handle(task: ClaimedTask, signal: AbortSignal): Promise<TaskOutcome | undefined> {
    const handler = this.#options.handlers[task.kind];
    if (handler === undefined) throw new NoHandler(task.kind);
    signal.throwIfAborted();
    const running: RunningTask = {
      id: task.id,
      execution: task.execution,
      queue: task.queue,
      kind: task.kind,
      payload: JSON.parse(task.payload),
      attempt: task.attempts,
      signal,
      progress: () => {},
      log: () => {},
    };
    return handler(running);
  }

  async #settleThrown(task: ClaimedTask, error: unknown): Promise<void> {
    const { rules, random, classify } = this.#options;
    await this.#settle(async (settling) => {
      if (error instanceof NodeStops) {
        const held = await heldTask(settling, task);
        await rearm(settling, held, { attempts: held.attempts - 1 });
        return;
      }
      const failure: Failure =
        error instanceof NoHandler || error instanceof TaskStopped
          ? { kind: 'permanent', reason: error.message }
          : classify(error);
      await settleFailure(settling, task, { failure, rules, random });
    });
  }

  async #settle(work: Parameters<typeof settle<void>>[2]): Promise<void> {
    const { database, now, ended } = this.#options;
    const settled = await settle(database, now, work);
    ended(settled.ended);
  }

  async #poll(): Promise<void> {
    const { database, now } = this.#options;
    await this.#attempted('look for tasks', async () => {
      if (this.#room > 0 && (await mayClaim(database.read, now()))) this.wake();
    });
  }

  async #recover(): Promise<void> {
    await this.#settle(async (settling) => {
      await takeBackOwn(settling, this.#options);
    });
  }

  async #renew(): Promise<void> {
    const { database, now, leaseMs, rules } = this.#options;
    const claims = [...this.#running.values()].map(({ task }) => task);
    const renewed = await database.write((transaction) =>
      renewLeases(transaction, claims, { until: now() + leaseMs }),
    );
    const held = new Map(renewed.map((claim) => [claim.id, claim]));
    for (const task of claims) {
      const claim = held.get(task.id);
      const controller = this.#running.get(task.id)?.controller;
      if (claim === undefined) controller?.abort(new LeaseLost(task));
      else if (claim.isStopping) controller?.abort(new TaskStopped());
    }
    await this.#settle(async (settling) => {
      await reap(settling, { except: new Set(this.#running.keys()), rules });
    });
  }

  #every(intervalMs: number, work: () => Promise<void>): void {
    let isRunning = false;
    const timer = setInterval(() => {
      if (isRunning) return;
      isRunning = true;
      void work().finally(() => {
        isRunning = false;
      });
    }, intervalMs).unref();
    this.#timers.defer(() => clearInterval(timer));
  }

  /** What fails is told, and tried again next time. */
  async #attempted(work: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work, error });
    }
  }
}

class NoHandler extends Error {
  override readonly name = 'NoHandler';

  constructor(kind: string) {
    super(`this node does not know how to do ${kind}`);
  }
}

function unlessLost(error: unknown): void {
  if (!(error instanceof LeaseLost)) throw error;
}

function ignored(): void {}
