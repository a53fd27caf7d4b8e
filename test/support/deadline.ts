/** Of the time between two looks no more counts. */
const MOMENT_MS = 500;

/**
 * So much time in which this process ran: a machine that stands still for half a minute makes nothing late. Who waits looks often.
 */
export class Deadline {
  #leftMs: number;
  #lookedAt = performance.now();

  constructor(ms: number) {
    this.#leftMs = ms;
  }

  /** A look at the clock. */
  isOver(): boolean {
    const now = performance.now();
    this.#leftMs -= Math.min(now - this.#lookedAt, MOMENT_MS);
    this.#lookedAt = now;
    return this.#leftMs <= 0;
  }
}
