// The real ones, whatever a test puts in their place.
const { setInterval, clearInterval } = globalThis;

/** In which the clock is looked at. */
const TICK_MS = 100;
/** Of the time between two looks no more counts, but what the process worked. */
const MOMENT_MS = 500;

/** Of this process: a machine that stands still for half a minute adds nearly nothing, a process that works or waits as long all of it. */
export class RunningTime implements Disposable {
  readonly #ticks = setInterval(() => this.#look(), TICK_MS).unref();
  #lookedAt = performance.now();
  #workedMs = workedMs();
  #ms = 0;

  /** Since it was made. */
  get ms(): number {
    this.#look();
    return this.#ms;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticks);
  }

  #look(): void {
    const now = performance.now();
    const worked = workedMs();
    // A loop that is busy ticks no more than a process that stands still, but it works. Threads together may work for longer than it took.
    const counts = Math.max(MOMENT_MS, worked - this.#workedMs);
    this.#ms += Math.min(now - this.#lookedAt, counts);
    this.#lookedAt = now;
    this.#workedMs = worked;
  }
}

/** So much time in which this process ran: a machine that stands still makes nothing late. */
export class Deadline implements Disposable {
  readonly #time = new RunningTime();
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  isOver(): boolean {
    return this.#time.ms >= this.#ms;
  }

  [Symbol.dispose](): void {
    this.#time[Symbol.dispose]();
  }
}

/** The processor time of this process. */
function workedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
