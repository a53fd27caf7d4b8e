import { UpstreamThrottled } from './errors.ts';
import type { Lane } from './slots.ts';

// An upstream that says "tomorrow" is asked again sooner: budgets get raised, and clocks are wrong.
const LONGEST_SECONDS = 3600;

type Counted = 'manifests' | 'blobs' | 'parts' | 'pushes';

/**
 * What 429 means for one endpoint and its credential: no request of that kind until it is over. Manifests and blobs
 * apart, since registries count them apart, and a fill must be able to go on while manifests are counted out; and parts of
 * a blob apart, since one that comes whole may be let through where several requests at once are not.
 */
export class Throttle {
  readonly #until: Record<Counted, number> = { manifests: 0, blobs: 0, parts: 0, pushes: 0 };
  readonly #host: string;
  readonly #now: () => number;

  constructor(host: string, now: () => number) {
    this.#host = host;
    this.#now = now;
  }

  /** @throws UpstreamThrottled with what is left to wait */
  assertFree(lane: Lane): void {
    const leftMs = this.#until[countedOf(lane)] - this.#now();
    if (leftMs > 0) throw new UpstreamThrottled(this.#host, Math.ceil(leftMs / 1000));
  }

  /** `retryAfterSeconds` as the peer said, `otherwiseMs` where it did not. */
  block(lane: Lane, retryAfterSeconds: number | undefined, otherwiseMs: number): UpstreamThrottled {
    const waitMs =
      retryAfterSeconds === undefined
        ? otherwiseMs
        : Math.min(retryAfterSeconds, LONGEST_SECONDS) * 1000;
    const counted = countedOf(lane);
    this.#until[counted] = Math.max(this.#until[counted], this.#now() + waitMs);
    return new UpstreamThrottled(this.#host, retryAfterSeconds);
  }
}

function countedOf(lane: Lane): Counted {
  if (lane === 'push') return 'pushes';
  if (lane === 'part') return 'parts';
  return lane === 'control' ? 'manifests' : 'blobs';
}
