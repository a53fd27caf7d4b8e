import { LRUCache } from 'lru-cache';
import { projectNameOf } from '../catalog/repositories.ts';
import type { Digest } from '../oci/digest.ts';
import { SingleFlight } from '../registry/single-flight.ts';

type Way = 'copied' | 'mounted';

export interface PushAsked {
  /** Aborting stops waiting; the push ends when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** When the registry said that it lacks the blob, by `performance.now()`. */
  readonly missingAt?: number | undefined;
}

/** Of a blob. */
interface Passage {
  /** The endpoint and the repository where it goes. */
  readonly endpoint: string;
  readonly repository: string;
  readonly digest: Digest;
  /** The endpoint and the repository where it comes from: what one has, another may lack. */
  readonly source: string;
  readonly from: string;
  /** The policy: what holds one back is nothing to another. */
  readonly policy: number;
}

/** @param elsewhere another repository of the same project there that has it by now, as far as is known: to be mounted from */
type Push = (signal: AbortSignal, elsewhere: string | undefined) => Promise<Way>;

const MOST_REMEMBERED = 10_000;
/** A registry that mounts nothing is not asked to for so long. */
const REFUSING_MS = 10 * 60_000;

/**
 * Blobs on their way to remote registries: artifacts of a policy that share one, and are copied at one time, push it once,
 * and where they go to several repositories of a project, the others mount it. Neither what another project has, nor what
 * another source brought: one that does not have a blob could name it, and would be given it.
 */
export class RemotePushes {
  readonly #running = new SingleFlight<Way>();
  /** When the registry acknowledged it last, by whichever policy. */
  readonly #done = new LRUCache<string, number>({ max: MOST_REMEMBERED });
  /** By source, project and digest: the pushes of a policy, and the last repository that has it. */
  readonly #underWay = new Map<string, Promise<Way>>();
  readonly #homes = new LRUCache<string, string>({ max: MOST_REMEMBERED });
  readonly #refusing = new LRUCache<string, true>({ max: MOST_REMEMBERED, ttl: REFUSING_MS });

  async once(
    passage: Passage,
    push: Push,
    { signal, missingAt = Number.POSITIVE_INFINITY }: PushAsked,
  ): Promise<Way> {
    const { endpoint, repository, digest, source, from, policy } = passage;
    const place = `${endpoint} ${repository} ${digest}`;
    if ((this.#done.get(place) ?? Number.NEGATIVE_INFINITY) >= missingAt) return 'mounted';
    const way = await this.#running.run(
      `${policy} ${place} ${source} ${from}`,
      ({ abandoned }) => this.#pushed(passage, push, abandoned),
      { signal },
    );
    this.#done.set(place, performance.now());
    return way;
  }

  async #pushed(passage: Passage, push: Push, signal: AbortSignal): Promise<Way> {
    const { endpoint, repository, digest, source, policy } = passage;
    const home = `${source} ${endpoint} ${projectNameOf(repository)} ${digest}`;
    const key = `${policy} ${home}`;
    const mounts = !this.#refusing.has(endpoint);
    if (mounts) await over(this.#underWay.get(key), signal);
    const known = mounts ? this.#homes.get(home) : undefined;
    const elsewhere = known === repository ? undefined : known;
    const pushing = push(signal, elsewhere);
    this.#underWay.set(key, pushing);
    try {
      const way = await pushing;
      if (way === 'copied' && elsewhere !== undefined) this.#refusing.set(endpoint, true);
      this.#homes.set(home, repository);
      return way;
    } finally {
      if (this.#underWay.get(key) === pushing) this.#underWay.delete(key);
    }
  }
}

/** Waits until it is, however it ends, or until nobody waits. */
async function over(running: Promise<unknown> | undefined, signal: AbortSignal): Promise<void> {
  if (running === undefined) return;
  const { promise: left, resolve } = Promise.withResolvers<void>();
  const leave = (): void => resolve();
  signal.addEventListener('abort', leave, { once: true });
  try {
    await Promise.race([running.catch(() => {}), left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
  signal.throwIfAborted();
}
