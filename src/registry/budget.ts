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
  /** A HEAD of the same, which costs nothing where pulls are counted, and tells what is left as well. */
  readonly look: (signal: AbortSignal) => Promise<unknown>;
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
  readonly #looking = new SingleFlight<void>();

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

  /** @throws PullsReserved where it would take one that is reserved, and what a look throws that several wait for */
  async spend<T>({ pull, look, signal }: Pull<T>): Promise<T> {
    if (this.#isUnsure())
      await this.#looking.run('', ({ abandoned }) => this.#lookUp(() => look(abandoned)), {
        signal,
      });
    this.#assertFree();
    this.#underWay += 1;
    try {
      return await pull();
    } finally {
      this.#underWay -= 1;
    }
  }

  #isUnsure(): boolean {
    const { reservedPulls, now } = this.#options;
    const mayBeLow = this.#left === undefined || this.#left <= reservedPulls;
    return reservedPulls > 0 && mayBeLow && now() - this.#knownAt >= RECHECK_MS;
  }

  async #lookUp(look: () => Promise<unknown>): Promise<void> {
    const before = this.#lessons;
    await look();
    // It tells with a pull alone, or never.
    if (this.#lessons === before) this.#left = undefined;
    this.#knownAt = this.#options.now();
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
