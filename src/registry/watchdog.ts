/** What is known of an answer while its body arrives. */
export interface Arrival {
  /** Bytes so far. */
  transferred(): number;
  /** Whether bytes are there that nobody has taken: then it is not the peer who is silent. */
  isWaitingForReader(): boolean;
}

export interface WatchOptions {
  readonly silenceMs: number;
  /** From the start of the watch; Infinity for none. */
  readonly deadlineMs: number;
  /** Told now and then, and once more at the end, of bytes that came since. */
  onBytes(bytes: number): void;
  /** Told once, with what was missed. */
  onTimeout(problem: string): void;
}

/** Looks after an answer until disposed. A timer of its own: one per piece of a blob would cost more than the piece. */
export function watch(arrival: Arrival, options: WatchOptions): Disposable {
  const startedAt = performance.now();
  let seen = 0;
  let progressAt = startedAt;
  const count = (): boolean => {
    const bytes = arrival.transferred() - seen;
    seen += bytes;
    if (bytes > 0) options.onBytes(bytes);
    return bytes > 0;
  };
  const timer = setInterval(
    () => {
      const now = performance.now();
      if (count() || arrival.isWaitingForReader()) progressAt = now;
      if (now - startedAt >= options.deadlineMs) {
        stop();
        options.onTimeout(`it was not whole after ${options.deadlineMs} ms`);
      } else if (now - progressAt >= options.silenceMs) {
        stop();
        options.onTimeout(`it was silent for ${options.silenceMs} ms`);
      }
    },
    Math.min(1000, options.silenceMs / 4, options.deadlineMs / 4),
  );
  timer.unref();
  const stop = (): void => clearInterval(timer);
  return {
    [Symbol.dispose]() {
      stop();
      count();
    },
  };
}
