import { OciError } from '../oci/error.ts';

/** A call that is running, for whoever wants its result. */
export interface Flight<T> {
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number;
  readonly result: Promise<T>;
}

/** Joins the call of that key that is running, or starts it. */
export type Departure<T> = (key: string, call: (signal: AbortSignal) => Promise<T>) => Flight<T>;

/**
 * Calls that belong to nobody who waits for them: those may leave singly, the call goes on, at most for so long.
 * Disposing ends all of them.
 */
export class Flights implements AsyncDisposable {
  readonly #deadlineMs: number;
  readonly #running = new Set<Promise<unknown>>();
  readonly #stop = new AbortController();

  constructor(options: { readonly deadlineMs: number }) {
    this.#deadlineMs = options.deadlineMs;
  }

  /** Calls of one kind: one at a time for each key. */
  kind<T>(): Departure<T> {
    const flights = new Map<string, Flight<T>>();
    return (key, call) => {
      const known = flights.get(key);
      if (known !== undefined) return known;
      const flight = { startedAt: performance.now(), result: this.#start(call) };
      flights.set(key, flight);
      this.#running.add(flight.result);
      const end = (): void => {
        flights.delete(key);
        this.#running.delete(flight.result);
      };
      // Whoever waits hears of a failure; maybe nobody does.
      flight.result.then(end, end);
      return flight;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new OciError('UNAVAILABLE', { message: 'this registry is stopping' }));
    await Promise.allSettled(this.#running);
  }

  async #start<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    return call(AbortSignal.any([signal, AbortSignal.timeout(this.#deadlineMs)]));
  }
}

export interface Patience {
  /** Ends the wait, and rejects with its reason. */
  readonly signal: AbortSignal;
  /** Ends it too, with that error. */
  readonly deadline?: { readonly inMs: number; readonly error: () => Error } | undefined;
}

/** Waits for what goes on without us. */
export async function waitFor<T>(promise: Promise<T>, patience: Patience): Promise<T> {
  const { signal, deadline } = patience;
  promise.catch(() => {}); // It may fail after we have left.
  signal.throwIfAborted();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer = deadline && setTimeout(() => reject(deadline.error()), Math.max(0, deadline.inMs));
  try {
    return await Promise.race([promise, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
