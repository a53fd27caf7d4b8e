import { OciError } from '../oci/error.ts';
import { Audience, orAgain } from '../registry/audience.ts';
import type { CallOptions } from '../registry/peer.ts';

/** A call that is running, or waits to be sent, for whoever wants its result. */
export interface Flight<T> {
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** Rejects with the call's error as it is, or as `patience` says. */
  wait(patience: Patience): Promise<T>;
}

type Call<T> = (options: CallOptions) => Promise<T>;

/** Joins the call of that key that is running, or starts it. */
export type Departure<T> = (key: string, call: Call<T>) => Flight<T>;

interface Running<T> extends Flight<T> {
  readonly audience: Audience;
  readonly result: Promise<T>;
}

/**
 * Calls that belong to nobody who waits for them: those may leave singly, what was sent goes on, at most for so long. What
 * was not sent when the last of them leaves never is. Disposing ends all of them.
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
    const flights = new Map<string, Running<T>>();
    return (key, call) => {
      const known = flights.get(key);
      if (known !== undefined && !known.audience.abandoned.aborted) return known;
      const flight = this.#depart(call, known);
      flights.set(key, flight);
      this.#running.add(flight.result);
      const end = (): void => {
        if (flights.get(key) === flight) flights.delete(key);
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

  /** `former` is the one that everybody has left: its call may be on its way all the same. */
  #depart<T>(call: Call<T>, former: Running<T> | undefined): Running<T> {
    const audience = new Audience();
    const start = (): Promise<T> => this.#start(call, audience);
    const result = former === undefined ? start() : orAgain(former.result, start);
    return {
      startedAt: former?.startedAt ?? performance.now(),
      audience,
      result,
      async wait(patience) {
        using _ = audience.enter();
        return await waitFor(result, patience);
      },
    };
  }

  async #start<T>(call: Call<T>, { abandoned }: Audience): Promise<T> {
    const { signal: stop } = this.#stop;
    stop.throwIfAborted();
    const signal = AbortSignal.any([stop, AbortSignal.timeout(this.#deadlineMs)]);
    return call({ signal, abandoned });
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
