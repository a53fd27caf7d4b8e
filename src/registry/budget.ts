import type { IncomingHttpHeaders } from 'node:http';
import { budgetSeen } from '../telemetry/channels.ts';
import { PullsReserved } from './errors.ts';

/** What is left is looked at again after so long, by one pull where no HEAD tells. regsync waits as long at least. */
const RECHECK_MS = 5 * 60_000;

export interface BudgetOptions {
  readonly endpoint: string;
  readonly host: string;
  /** Pulls that are left to people; none where it is 0. */
  readonly reservedPulls: number;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** The pulls of manifests that a registry lets one endpoint and its credential have, as far as it says so. */
export class Budget {
  readonly #options: BudgetOptions;
  #left = Number.POSITIVE_INFINITY;
  #knownAt = 0;
  #underWay = 0;

  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /** Takes what `ratelimit-remaining` and `ratelimit-limit` say (Docker Hub: `76;w=21600`), if they say anything. */
  learn(headers: IncomingHttpHeaders): void {
    const remaining = countOf(headers['ratelimit-remaining']);
    if (remaining === undefined) return;
    const { endpoint, now } = this.#options;
    this.#left = remaining;
    this.#knownAt = now();
    budgetSeen.publish({ endpoint, remaining, limit: countOf(headers['ratelimit-limit']) });
  }

  /** Does a pull that nobody waits for. @throws PullsReserved where it would take one that is reserved */
  async spend<T>(pull: () => Promise<T>): Promise<T> {
    const { host, reservedPulls, now } = this.#options;
    const isReserved = reservedPulls > 0 && this.#left - this.#underWay <= reservedPulls;
    if (isReserved) {
      const waitMs = this.#knownAt + RECHECK_MS - now();
      if (waitMs > 0) throw new PullsReserved(host, { left: this.#left, waitMs });
      // This one finds out, and those that come meanwhile wait for what it is told.
      this.#knownAt = now();
    }
    this.#underWay += 1;
    try {
      return await pull();
    } finally {
      this.#underWay -= 1;
    }
  }
}

function countOf(header: string | string[] | undefined): number | undefined {
  const [, digits] = /^\s*(\d{1,15})\s*(?:[;,]|$)/.exec(String(header ?? '')) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
