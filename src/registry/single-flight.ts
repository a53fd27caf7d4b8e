import { Audience, orAgain } from './audience.ts';
import type { CallOptions } from './peer.ts';

type Work<Result> = (options: { readonly abandoned: AbortSignal }) => Promise<Result>;

interface Flight<Result> {
  readonly audience: Audience;
  readonly result: Promise<Result>;
}

/**
 * One run of a work for all who want its result at the same time. The work goes on when one of them leaves; when the last
 * one has left, `abandoned` tells it so, and else it ends by its own deadline.
 */
export class SingleFlight<Result> {
  readonly #flights = new Map<string, Flight<Result>>();

  /** Aborting either signal stops waiting, not the work. */
  async run(key: string, work: Work<Result>, { signal, abandoned }: CallOptions): Promise<Result> {
    const leaving = abandoned === undefined ? signal : AbortSignal.any([signal, abandoned]);
    leaving.throwIfAborted();
    const flight = this.#joined(key, work);
    using _ = flight.audience.enter();
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(leaving.reason);
    leaving.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      leaving.removeEventListener('abort', leave);
    }
  }

  #joined(key: string, work: Work<Result>): Flight<Result> {
    const known = this.#flights.get(key);
    if (known !== undefined && !known.audience.abandoned.aborted) return known;
    const audience = new Audience();
    const { abandoned } = audience;
    const begun =
      known === undefined ? work({ abandoned }) : orAgain(known.result, () => work({ abandoned }));
    const flight: Flight<Result> = { audience, result: begun };
    this.#flights.set(key, flight);
    const end = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.result.then(end, end); // Everybody may have left.
    return flight;
  }
}
