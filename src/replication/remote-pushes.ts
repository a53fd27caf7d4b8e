import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../registry/single-flight.ts';

type Way = 'copied' | 'mounted';

export interface PushAsked {
  /** Aborting stops waiting; the push ends when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** When the registry said that it lacks the blob, by `performance.now()`. */
  readonly missingAt?: number | undefined;
}

const MOST_REMEMBERED = 10_000;

/** Of a blob. */
interface Passage {
  /** Where it goes. */
  readonly place: string;
  /** Where it comes from: what one source has, another may lack. */
  readonly from: string;
  /** The policy: what holds one back is nothing to another. */
  readonly policy: number;
}

/** Blobs on their way to remote registries: artifacts of a policy that share one, and are copied at one time, push it once. */
export class RemotePushes {
  readonly #running = new SingleFlight<Way>();
  /** When the registry acknowledged it last, by whichever policy. */
  readonly #done = new LRUCache<string, number>({ max: MOST_REMEMBERED });

  async once(
    { place, from, policy }: Passage,
    push: (signal: AbortSignal) => Promise<Way>,
    { signal, missingAt = Number.POSITIVE_INFINITY }: PushAsked,
  ): Promise<Way> {
    if ((this.#done.get(place) ?? Number.NEGATIVE_INFINITY) >= missingAt) return 'mounted';
    const run = ({ abandoned }: { readonly abandoned: AbortSignal }) => push(abandoned);
    const way = await this.#running.run(`${policy} ${place} ${from}`, run, { signal });
    this.#done.set(place, performance.now());
    return way;
  }
}
