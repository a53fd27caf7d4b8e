import type { CallOptions } from './peer.ts';
import { SingleFlight } from './single-flight.ts';

/** A secret that is good for a time, as vendors hand them out. */
export interface Renewable<Secret> {
  /**
   * The one at hand; a new one where there is none, where it ends soon, and where it is `refused`, which is what the
   * registry was shown in vain.
   */
  get(options: CallOptions & { readonly refused?: Secret | undefined }): Promise<Given<Secret>>;
}

export interface Given<Secret> {
  readonly secret: Secret;
  /** A registry that refuses this one refuses us: there is none better. */
  readonly isFresh: boolean;
}

/** A secret and when it ends: milliseconds UTC, Infinity where it does not. */
export interface Dated<Secret> {
  readonly secret: Secret;
  readonly expiresAt: number;
}

/** Until then a request that begins has time to arrive, whatever the clocks say. */
const MARGIN_MS = 60_000;
/** How long one is taken for the best that there is, whoever refuses it. */
const REST_MS = 30_000;
/** For a vendor's answer; whoever waits for it has a deadline of their own. */
const FETCH_MS = 60_000;

/** Fetched by whoever needs it first, for all who need it. `now` is milliseconds UTC. */
export function renewable<Secret>(
  fetch: (options: CallOptions) => Promise<Dated<Secret>>,
  now: () => number,
): Renewable<Secret> {
  const flights = new SingleFlight<Dated<Secret>>();
  let held: (Dated<Secret> & { readonly fetchedAt: number }) | undefined;
  return {
    async get({ refused, ...options }) {
      if (held !== undefined && now() < held.expiresAt - MARGIN_MS) {
        if (held.secret !== refused) return { secret: held.secret, isFresh: false };
        // A registry that refuses each of them is not asked for the next one with each request.
        if (now() < held.fetchedAt + REST_MS) return { secret: held.secret, isFresh: true };
      }
      const work = async ({ abandoned }: { readonly abandoned: AbortSignal }) => {
        const fetchedAt = now();
        const dated = await fetch({ signal: AbortSignal.timeout(FETCH_MS), abandoned });
        held = { ...dated, fetchedAt };
        return held;
      };
      const { secret } = await flights.run('', work, options);
      return { secret, isFresh: true };
    },
  };
}

/** One that nobody renews. */
export function constant<Secret>(secret: Secret): Renewable<Secret> {
  return { get: async () => ({ secret, isFresh: true }) };
}
