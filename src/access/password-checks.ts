import { OciError } from '../oci/error.ts';
import { isPassword } from './passwords.ts';
import { isSecret, isSecretHash } from './robot-secrets.ts';

// A check takes one of the four threads that read the disk: with all of them on wrong passwords, a download of 1 MiB
// took 1.2 s instead of 3 ms (measured 2026-11-21).
const MOST_RUNNING = 2;
/** As many as are done in less than a second. */
const MOST_WAITING = 64;

/** Compares passwords with hashes, a few at a time whatever anybody sends; secrets of robots, which cost nothing, at once. */
export class PasswordChecks {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @throws OciError TOOMANYREQUESTS when others wait in numbers already */
  async matches(password: string, passwordHash: string): Promise<boolean> {
    if (isSecretHash(passwordHash)) return isSecret(password, passwordHash);
    await this.#turn();
    try {
      return await isPassword(password, passwordHash);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < MOST_RUNNING) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= MOST_WAITING) {
      const message = 'too many passwords are being checked';
      throw new OciError('TOOMANYREQUESTS', { message, retryAfterSeconds: 1 });
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    await promise;
  }
}
