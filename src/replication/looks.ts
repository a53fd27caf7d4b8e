/** The first; the workers look for tasks whose time has come once a second, too. */
const SOONEST_MS = 500;
/** Between two, whoever looks: one costs about 1.5 ms of a core. */
const APART_MS = 20;
/** Also where the clock was set back. */
const LATEST_MS = 30_000;

/** When tasks that wait for something look again whether it is there: soon, and the more of them wait the less often. */
export class Looks {
  readonly #now: () => number;
  #last = 0;

  /** `now`: milliseconds UTC. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds UTC, of one task. */
  next(): number {
    const now = this.#now();
    const next = Math.max(now + SOONEST_MS, this.#last + APART_MS);
    this.#last = Math.min(next, now + LATEST_MS);
    return this.#last;
  }
}
