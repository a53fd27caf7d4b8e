import type { IncomingHttpHeaders } from 'node:http';
import { budgetSeen } from '../telemetry/channels.ts';
import { PullsReserved } from './errors.ts';
import { SingleFlight } from './single-flight.ts';

/** So long a registry is taken at its word that few are left. regsync waits as long at least. */
const RECHECK_MS = 5 * 60_000;
/** Until those that are under way have been counted by the registry, as a rule. */
const COUNTED_MS = 1_000;

export interface BudgetOptions {
  readonly endpoint: string;
  readonly host: string;
  /** Pulls that are left to clients; none where it is 0. */
  readonly reservedPulls: number;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** A pull that no client waits for. */
export interface Pull<T> {
  readonly pull: () => Promise<T>;
  /**
   * A HEAD of the same, which costs nothing where pulls are counted, and tells what is left as well. Resolves to whether the
   * registry has an answer to it.
   */
  readonly look: (signal: AbortSignal) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** The pulls of manifests that a registry lets one endpoint and its credential have, as far as it says so. */
export class Budget {
  readonly #options: BudgetOptions;
  #left: number | undefined;
  #limit: number | undefined;
  #knownAt = Number.NEGATIVE_INFINITY;
  #lessons = 0;
  #underWay = 0;
  readonly #looking = new SingleFlight<boolean>();

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** Takes what `ratelimit-remaining` and `ratelimit-limit` say (Docker Hub: `76;w=21600`), if they say anything. */
  learn(headers: IncomingHttpHeaders): void {
    const remaining = countOf(headers['ratelimit-remaining']);
    if (remaining === undefined) return;
    const limit = countOf(headers['ratelimit-limit']);
    const { endpoint, now } = this.#options;
    this.#left = remaining;
    this.#limit = limit;
    this.#knownAt = now();
    this.#lessons += 1;
    budgetSeen.publish({ endpoint, remaining, limit });
  }

  /** Asks nobody. @throws PullsReserved where a pull is known to take one that is reserved */
  assertMore(): void {
    if (!this.#isUnsure()) this.#assertFree();
  }

  /** @throws PullsReserved where it would take one that is reserved, and what `look` throws */
  async spend<T>({ pull, look, signal }: Pull<T>): Promise<T> {
    const isTold = await this.#isTold(look, signal);
    if (isTold) this.#assertFree();
    this.#underWay += 1;
    try {
      return await pull();
    } finally {
      this.#underWay -= 1;
    }
  }

  #isUnsure(): boolean {
    const { reservedPulls, now } = this.#options;
    const age = now() - this.#knownAt;
    return reservedPulls > 0 && (age >= RECHECK_MS || age < 0);
  }

  /** Looks where it is time to, once for all who come meanwhile. False where no look tells, and the pull itself may. */
  async #isTold(look: Pull<unknown>['look'], signal: AbortSignal): Promise<boolean> {
    while (this.#isUnsure()) {
      let isMine = false;
      const looking = this.#looking.run(
        '',
        ({ abandoned }) => {
          isMine = true;
          return this.#learnBy(look, abandoned);
        },
        { signal },
      );
      try {
        const isTold = await looking;
        if (isMine && !isTold) return false;
      } catch (error) {
        // What is wrong with what another one asked for may be right with this.
        if (isMine || signal.aborted) throw error;
      }
    }
    return true;
  }

  async #learnBy(look: Pull<unknown>['look'], signal: AbortSignal): Promise<boolean> {
    const before = this.#lessons;
    const isAnswer = await look(signal);
    if (this.#lessons > before) return true;
    if (isAnswer) this.#knownAt = this.#options.now();
    return false;
  }

  #assertFree(): void {
    const { host, reservedPulls: reserved, now } = this.#options;
    const left = this.#left;
    if (reserved === 0 || left === undefined || left - this.#underWay > reserved) return;
    const limit = this.#limit;
    if (limit !== undefined && limit <= reserved) {
      const message = `gives ${limit} pulls in all, and ${reserved} are reserved (reservedPulls)`;
      throw new PullsReserved(host, message);
    }
    if (left > reserved) {
      const message = `lets us pull ${left} more: ${reserved} are reserved, and others are under way`;
      throw new PullsReserved(host, message, COUNTED_MS);
    }
    const message = `lets us pull ${left} more, and ${reserved} are reserved (reservedPulls)`;
    throw new PullsReserved(host, message, this.#knownAt + RECHECK_MS - now());
  }
}

function countOf(header: string | string[] | undefined): number | undefined {
  const [, digits] = /^\s*(\d{1,15})\s*(?:[;,]|$)/.exec(String(header ?? '')) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
