import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

// A conformance run with a slow hash on every request took 91 s (measured 2026-11-21): checked ones are remembered.
const MOST_RIGHT = 1_000;
const RIGHT_MS = 5 * 60_000;
/**
 * Who sends the same wrong one again guesses nothing: a stale secret that a cluster repeats for ever is neither counted
 * nor checked again.
 */
const MOST_WRONG = 10_000;
const WRONG_MS = 15 * 60_000;

export interface Password {
  readonly name: string;
  readonly password: string;
  /** What it is compared with: a changed one is compared anew. */
  readonly passwordHash: string;
}

/** Passwords that were checked a short time ago, by a hash: none stays in memory. */
export class RememberedPasswords {
  readonly #right = new LRUCache<string, true>({ max: MOST_RIGHT, ttl: RIGHT_MS });
  readonly #wrong = new LRUCache<string, true>({ max: MOST_WRONG, ttl: WRONG_MS });
  readonly #running = new Map<string, Promise<boolean>>();

  /** Those who come with the same one at the same time share a check; what fails is no answer, and is asked again. */
  isRight(asked: Password, check: () => Promise<boolean>): Promise<boolean> {
    const key = keyOf(asked);
    if (this.#right.has(key)) return Promise.resolve(true);
    if (this.#wrong.has(key)) return Promise.resolve(false);
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const checking = this.#checked(key, check);
    this.#running.set(key, checking);
    return checking;
  }

  async #checked(key: string, check: () => Promise<boolean>): Promise<boolean> {
    try {
      const isRight = await check();
      (isRight ? this.#right : this.#wrong).set(key, true);
      return isRight;
    } finally {
      this.#running.delete(key);
    }
  }
}

function keyOf({ name, password, passwordHash }: Password): string {
  const text = JSON.stringify([name, password, passwordHash]);
  return createHash('sha256').update(text).digest('base64');
}
