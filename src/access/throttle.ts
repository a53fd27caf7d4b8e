import { LRUCache } from 'lru-cache';
import { type Counted, waitAfter } from '../../policies/sign-in.ts';
import { OciError } from '../oci/error.ts';

/** Who is trying to sign in. */
export interface Attempt {
  /** As it was claimed: unknown names count as known ones do, so that a refusal tells nobody which there are. */
  readonly name: string;
  /** The client's. */
  readonly address: string;
}

interface Failures {
  count: number;
  /** Milliseconds UTC. */
  lastAt: number;
}

/** Counters of each kind, and addresses that are known to be somebody's. */
const MOST_COUNTED = 10_000;
/** Failures are forgotten after so long without another. */
const FORGOTTEN_MS = 15 * 60_000;
/** No user's name is longer. */
const LONGEST_NAME = 256;

/**
 * Slows down those who guess passwords: by the account that they guess, and by the address that they come from. An
 * address that an account has signed in from is counted for the two alone, so that guesses from elsewhere lock nobody
 * out of where they work. In memory and bounded: when it is full, those who failed longest ago are forgotten.
 */
export class Throttle {
  readonly #now: () => number;
  readonly #accounts = new LRUCache<string, Failures>({ max: MOST_COUNTED });
  readonly #addresses = new LRUCache<string, Failures>({ max: MOST_COUNTED });
  readonly #pairs = new LRUCache<string, Failures>({ max: MOST_COUNTED });
  readonly #proven = new LRUCache<string, true>({ max: MOST_COUNTED });

  /** `now` is milliseconds UTC. */
  constructor({ now }: { readonly now: () => number }) {
    this.#now = now;
  }

  /**
   * What `check` says of the password, unless it has to wait.
   *
   * @throws OciError TOOMANYREQUESTS, with when to come again, and then nothing was checked
   */
  async guard({ name, address }: Attempt, check: () => Promise<boolean>): Promise<boolean> {
    const account = name.slice(0, LONGEST_NAME);
    const pair = `${address} ${account}`;
    const network = networkOf(address);
    const isProven = this.#proven.has(pair);
    const guessed = isProven ? this.#pairs : this.#accounts;
    const key = isProven ? pair : account;
    this.#assertTurn(guessed, key, 'account');
    if (!isProven) this.#assertTurn(this.#addresses, network, 'address');
    // Counted before it is checked: many at once are no way around. Of addresses it would hit those that many share.
    this.#count(guessed, key, 1);
    try {
      const isRight = await check();
      if (isRight) guessed.delete(key);
      else if (!isProven) this.#count(this.#addresses, network, 1);
      return isRight;
    } catch (error) {
      // It said nothing of the password.
      this.#count(guessed, key, -1);
      throw error;
    }
  }

  /** The account has signed in from the address. */
  prove({ name, address }: Attempt): void {
    this.#proven.set(`${address} ${name}`, true);
  }

  #assertTurn(failures: LRUCache<string, Failures>, key: string, counted: Counted): void {
    const { count, lastAt } = this.#read(failures, key);
    const waitMs = lastAt + waitAfter(count, counted) - this.#now();
    if (waitMs <= 0) return;
    const message = 'too many wrong passwords';
    throw new OciError('TOOMANYREQUESTS', { message, retryAfterSeconds: waitMs / 1000 });
  }

  #count(failures: LRUCache<string, Failures>, key: string, more: 1 | -1): void {
    const { count } = this.#read(failures, key);
    failures.set(key, { count: Math.max(0, count + more), lastAt: this.#now() });
  }

  #read(failures: LRUCache<string, Failures>, key: string): Failures {
    const found = failures.get(key);
    if (found === undefined || found.lastAt + FORGOTTEN_MS <= this.#now()) {
      return { count: 0, lastAt: 0 };
    }
    return found;
  }
}

/** Who has an IPv6 address has the 2^64 of its network. */
export function networkOf(address: string): string {
  if (!address.includes(':')) return address;
  const [start = ''] = address.split('::');
  const groups = start.split(':').filter((group) => group !== '');
  return [...groups, '0', '0', '0', '0'].slice(0, 4).join(':');
}
