import { type Attempt, networkOf } from './throttle.ts';

const MINUTE_MS = 60_000;
/** Other names from there are the same person guessing. */
const MOST_OF_NETWORK = 10;
const MOST = 100;

/**
 * Which refused logins the audit log tells of, so that nobody fills it: in a minute one of each name and address, ten of
 * each address and a hundred in all. What it keeps is as little.
 */
export class RefusedLogins {
  readonly #now: () => number;
  #since = Number.NEGATIVE_INFINITY;
  readonly #pairs = new Set<string>();
  readonly #networks = new Map<string, number>();

  /** `now` is milliseconds UTC. */
  constructor({ now }: { readonly now: () => number }) {
    this.#now = now;
  }

  /** Counts it, if so. */
  isWorthTelling({ name, address }: Attempt): boolean {
    this.#startMinute();
    const pair = `${address} ${name}`;
    const network = networkOf(address);
    const told = this.#networks.get(network) ?? 0;
    if (this.#pairs.size >= MOST || told >= MOST_OF_NETWORK || this.#pairs.has(pair)) return false;
    this.#pairs.add(pair);
    this.#networks.set(network, told + 1);
    return true;
  }

  #startMinute(): void {
    if (this.#now() < this.#since + MINUTE_MS) return;
    this.#since = this.#now();
    this.#pairs.clear();
    this.#networks.clear();
  }
}
