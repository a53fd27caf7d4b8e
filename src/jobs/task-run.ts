import type { Claim, ClaimedTask, RunningTask } from './task.ts';

export interface LogLine {
  /** Milliseconds UTC. */
  readonly at: number;
  readonly line: string;
}

/** What a run has told since it was last written down. */
export interface News extends Claim {
  /** Bytes moved in the attempt so far. */
  readonly sent: number;
  readonly lines: readonly LogLine[];
}

/** Lines kept of a task, and in memory between two writes. */
export const MOST_LINES = 1_000;
const LONGEST_LINE = 2_000;

/** A task that this process works on: what its handler sees of it, and what it told meanwhile. */
export class TaskRun {
  readonly task: ClaimedTask;
  /** Of the process's clock that only goes forward. */
  readonly begunAt = performance.now();
  readonly #controller = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  readonly #now: () => number;
  readonly #told: () => void;
  #sent = 0;
  #written = 0;
  #lines: readonly LogLine[] = [];

  /** `told` is called whenever there is something new to write. */
  constructor(
    task: ClaimedTask,
    { now, told }: { readonly now: () => number; readonly told: () => void },
  ) {
    this.task = task;
    this.#now = now;
    this.#told = told;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves when nothing works on it here any more. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  end(): void {
    this.#end.resolve();
  }

  get sent(): number {
    return this.#sent;
  }

  /** Bytes that were not written down yet. */
  get unwritten(): number {
    return this.#sent - this.#written;
  }

  get hasNews(): boolean {
    return this.unwritten > 0 || this.#lines.length > 0;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  log(line: string): void {
    const kept = this.#lines.slice(1 - MOST_LINES);
    this.#lines = [...kept, { at: this.#now(), line: line.slice(0, LONGEST_LINE) }];
    this.#told();
  }

  news(): News {
    const { id, epoch } = this.task;
    return { id, epoch, sent: this.#sent, lines: this.#lines };
  }

  /** That is written down. */
  wrote({ sent, lines }: News): void {
    this.#written = sent;
    this.#lines = this.#lines.filter((line) => !lines.includes(line));
  }

  seenByHandler(): RunningTask {
    const { id, execution, queue, kind, payload, attempts } = this.task;
    return {
      id,
      execution,
      queue,
      kind,
      payload: JSON.parse(payload),
      attempt: attempts,
      signal: this.signal,
      progress: (bytes) => {
        this.#sent += bytes;
        this.#told();
      },
      log: (line) => this.log(line),
    };
  }
}
