/**
 * One run of a work for all who want its result at the same time. The work goes on when one of them leaves; it ends by
 * its own deadline.
 */
export class SingleFlight<Result> {
  readonly #flights = new Map<string, Promise<Result>>();

  /** Aborting stops waiting, not the work. */
  async run(
    key: string,
    work: () => Promise<Result>,
    { signal }: { signal: AbortSignal },
  ): Promise<Result> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#start(key, work);
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([flight, left]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  #start(key: string, work: () => Promise<Result>): Promise<Result> {
    const flight = work().finally(() => this.#flights.delete(key));
    flight.catch(() => {}); // Everybody may have left.
    this.#flights.set(key, flight);
    return flight;
  }
}
