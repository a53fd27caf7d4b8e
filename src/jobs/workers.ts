/** Claims tasks while there is room for them, runs them, and says that they are still worked on. */
import { setTimeout as delay } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Database } from '../database/database.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import { type AttemptOptions, attempt, TaskReleased, TaskStopped } from './attempt.ts';
import { type ClaimOptions, claimTasks, mayClaim } from './claims.ts';
import { endWrongDelays } from './delays.ts';
import { reap, renewLeases, takeBackOwn } from './leases.ts';
import { pausedAmong } from './pausing.ts';
import { writeProgress } from './progress.ts';
import { forgetOld, type RetentionRules } from './retention.ts';
import { finishStops } from './stopping.ts';
import { type ClaimedTask, LeaseLost } from './task.ts';
import { TaskRun } from './task-run.ts';

export interface WorkerOptions
  extends AttemptOptions,
    Pick<ClaimOptions, 'instance' | 'boot' | 'leaseMs' | 'mostPerHost'> {
  readonly database: Database;
  readonly now: () => number;
  /** Tasks at once in this process. */
  readonly most: number;
  /** How long what other processes made ready waits at most. */
  readonly pollMs: number;
  /** What tasks tell of themselves is written that often, and sooner where that many bytes went. */
  readonly progressMs: number;
  readonly progressBytes: number;
  /** How long tasks may go on to their end when the node stops, and how long those are waited for that are told to end. */
  readonly graceMs: number;
  readonly shutdownMs: number;
  readonly retention: RetentionRules;
}

/** Executions get old slowly. */
const FORGET_MS = 10 * 60_000;

export class Workers implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #queue: PQueue;
  readonly #running = new Set<TaskRun>();
  readonly #timers = new DisposableStack();
  #claiming: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  #isWanted = false;
  #isStarted = false;
  readonly #stopping = new AbortController();

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#queue = new PQueue({ concurrency: options.most });
  }

  /** What an earlier start of the process left unfinished is taken up at once. */
  start(): void {
    const { pollMs, leaseMs, progressMs } = this.#options;
    this.#isStarted = true;
    this.#every(pollMs, () => attempted('look for tasks', () => this.#poll()));
    this.#every(leaseMs / 3, () => attempted('renewal of leases', () => this.#renew()));
    this.#every(progressMs, () => this.#write());
    this.#every(FORGET_MS, () => attempted('removal of old executions', () => this.#forget()));
    void attempted('recovery of tasks', () => this.#recover()).then(() => this.wake());
  }

  /** Something may be ready. */
  wake(): void {
    this.#isWanted = true;
    if (!this.#isStarted || this.#stopping.signal.aborted) return;
    this.#claiming ??= attempted('claim of tasks', () => this.#claim()).finally(() => {
      this.#claiming = undefined;
      if (this.#isWanted && this.#room > 0) this.wake();
    });
  }

  /** Those of the tasks that run here are told to end. */
  stop(tasks: readonly number[]): void {
    for (const run of this.#running) if (tasks.includes(run.task.id)) run.abort(new TaskStopped());
  }

  /** Those that run here and that are paused are told to end, and can be claimed again when they are not. */
  async release(): Promise<void> {
    const runs = [...this.#running];
    const paused = await pausedAmong(this.#options.database.read, runs);
    for (const run of paused) run.abort(new TaskReleased());
  }

  /** What runs may end for a moment; the rest is told to, and can be claimed again: that attempt does not count. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { graceMs, shutdownMs } = this.#options;
    this.#stopping.abort();
    await this.#claiming;
    await this.#idleWithin(graceMs);
    for (const run of this.#running) run.abort(new TaskReleased());
    // Who does not listen keeps the lease, and the next start takes it back.
    await this.#idleWithin(shutdownMs);
    this.#timers.dispose();
    await this.#writing;
  }

  get #room(): number {
    return this.#options.most - this.#running.size;
  }

  async #idleWithin(ms: number): Promise<void> {
    const stop = new AbortController();
    const late = delay(ms, undefined, { signal: stop.signal }).catch(ignored);
    await Promise.race([this.#queue.onIdle(), late]);
    stop.abort();
  }

  async #claim(): Promise<void> {
    const { database, now } = this.#options;
    while (this.#isWanted && this.#room > 0 && !this.#stopping.signal.aborted) {
      this.#isWanted = false;
      const most = this.#room;
      const claimed = await database.write((transaction) =>
        claimTasks(transaction, { ...this.#options, most, now: now() }),
      );
      for (const task of claimed) this.#begin(task);
      // There may be more behind them.
      if (claimed.length === most) this.#isWanted = true;
    }
  }

  #begin(task: ClaimedTask): void {
    const { now, progressBytes } = this.#options;
    const run: TaskRun = new TaskRun(task, {
      now,
      told: () => {
        if (run.unwritten >= progressBytes) void this.#write();
      },
    });
    // Its lease was lost and is held again: never twice at once, not even for a moment.
    const former = [...this.#running].find((each) => each.task.id === task.id);
    former?.abort(new LeaseLost(task));
    this.#running.add(run);
    void this.#queue.add(async () => {
      await former?.ended;
      await attempted('settling of a task', () => attempt(run, this.#options));
      this.#running.delete(run);
      run.end();
      this.wake();
    });
  }

  async #poll(): Promise<void> {
    const { database, now } = this.#options;
    if (this.#room > 0 && (await mayClaim(database.read, now()))) this.wake();
  }

  async #recover(): Promise<void> {
    const { database, settle } = this.#options;
    await settle((settling) => takeBackOwn(settling, this.#options));
    await finishStops(database, settle);
  }

  async #renew(): Promise<void> {
    const { database, now, leaseMs, rules, settle } = this.#options;
    const runs = [...this.#running];
    const claims = runs.map(({ task }) => task);
    const renewed = await database.write((transaction) =>
      renewLeases(transaction, claims, { until: now() + leaseMs }),
    );
    for (const run of runs) {
      const { id, epoch } = run.task;
      const claim = renewed.find((each) => each.id === id && each.epoch === epoch);
      if (claim === undefined) run.abort(new LeaseLost(run.task));
      else if (claim.isStopping) run.abort(new TaskStopped());
    }
    await this.release();
    const working = new Set([...this.#running].map(({ task }) => task.id));
    const reaped = await settle(async (settling) => {
      await endWrongDelays(settling.transaction, { now: settling.now, rules });
      return reap(settling, { except: working, rules });
    });
    await finishStops(database, settle);
    if (reaped > 0) this.wake();
  }

  async #forget(): Promise<void> {
    const { database, now, retention } = this.#options;
    await forgetOld(database, retention, { now: now(), signal: this.#stopping.signal });
  }

  async #write(): Promise<void> {
    this.#writing ??= attempted('progress of tasks', async () => {
      const runs = [...this.#running].filter(({ hasNews }) => hasNews);
      const news = runs.map((run) => run.news());
      if (news.length === 0) return;
      await this.#options.database.write((transaction) => writeProgress(transaction, news));
      for (const [index, run] of runs.entries()) {
        const written = news[index];
        if (written !== undefined) run.wrote(written);
      }
    }).finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
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
}

/** What fails is told, and tried again next time. */
async function attempted(work: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work, error });
  }
}

function ignored(): void {}
