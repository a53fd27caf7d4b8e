/** What a client has to take on average to keep a transfer of its own: less than any line that is used for images. */
const LEAST_BYTES_PER_SECOND = 16 * 1024;

/**
 * Watches how fast bytes are taken that somebody else is waiting to send. Only the time that the reader itself lets pass
 * counts, not that in which it waits.
 */
export class ReaderPace implements Disposable {
  readonly #timer: NodeJS.Timeout;
  readonly #tooSlow: () => void;
  readonly #windowMs: number;
  #bytes = 0;
  #awayMs = 0;
  /** Since when it has not asked for more; undefined while it waits. */
  #awaySince: number | undefined = performance.now();

  /** `tooSlow` is told after each such window, and never during a read. */
  constructor(windowMs: number, tooSlow: () => void) {
    this.#windowMs = windowMs;
    this.#tooSlow = tooSlow;
    this.#timer = setInterval(() => this.#look(), windowMs);
    this.#timer.unref();
  }

  async reading(read: () => Promise<number>): Promise<number> {
    this.#comes();
    try {
      const length = await read();
      this.#bytes += length;
      return length;
    } finally {
      this.#awaySince = performance.now();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #comes(): void {
    if (this.#awaySince !== undefined) this.#awayMs += performance.now() - this.#awaySince;
    this.#awaySince = undefined;
  }

  #look(): void {
    if (this.#awaySince === undefined) return;
    this.#comes();
    this.#awaySince = performance.now();
    const isAway = this.#awayMs >= this.#windowMs / 2;
    const isSlow = this.#bytes < (LEAST_BYTES_PER_SECOND * this.#awayMs) / 1000;
    this.#bytes = 0;
    this.#awayMs = 0;
    if (isAway && isSlow) this.#tooSlow();
  }
}
