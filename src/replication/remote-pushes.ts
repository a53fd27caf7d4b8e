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

/** @param holder another repository of the same project there that has it, as far as is known: to be mounted from */
type Push = (signal: AbortSignal, holder: string | undefined) => Promise<Way>;

const MOST_REMEMBERED = 10_000;
/** So many mounts that came to nothing, one after the other, and a project there is not asked for any for so long. */
const MOST_MISSES = 3;
const REFUSING_MS = 10 * 60_000;

/**
 * Blobs on their way to remote registries: artifacts of a policy that share one, and are copied at one time, push it once,
 * and where they go to several repositories of a project, the others wait for it and mount it. Neither what another project
 * has, whose members may not be the same, nor what another source brought: one that does not have a blob could name it, and
 * would be given it.
 */
export class RemotePushes {
  readonly #running = new SingleFlight<Way>();
  /** When the registry acknowledged it last, by whichever policy. */
  readonly #done = new LRUCache<string, number>({ max: MOST_REMEMBERED });
  /** By source, project and digest: the push of a policy, and the last repository that has it. */
  readonly #underWay = new Map<string, Promise<Way>>();
  readonly #holders = new LRUCache<string, string>({ max: MOST_REMEMBERED });
  /** By project. */
  readonly #misses = new LRUCache<string, number>({ max: MOST_REMEMBERED, ttl: REFUSING_MS });

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
    const project = `${endpoint} ${projectNameOf(repository)}`;
    const shared = `${source} ${project} ${digest}`;
    const key = `${policy} ${shared}`;
    for (;;) {
      const running = this.#underWay.get(key);
      if (running === undefined || this.#holders.has(shared) || !this.#mounts(project)) break;
      await over(running, signal);
    }
    const known = this.#mounts(project) ? this.#holders.get(shared) : undefined;
    const holder = known === repository ? undefined : known;
    // Nothing comes between the look at what is under way and this.
    const pushing = push(signal, holder);
    this.#underWay.set(key, pushing);
    try {
      const way = await pushing;
      if (holder !== undefined) this.#learn(project, way);
      this.#holders.set(shared, repository);
      return way;
    } finally {
      if (this.#underWay.get(key) === pushing) this.#underWay.delete(key);
    }
  }

  #mounts(project: string): boolean {
    return (this.#misses.get(project) ?? 0) < MOST_MISSES;
  }

  #learn(project: string, way: Way): void {
    if (way === 'mounted') this.#misses.delete(project);
    else this.#misses.set(project, (this.#misses.get(project) ?? 0) + 1);
  }
}

/** Waits until it is, however it ends, or until nobody waits. */
async function over(running: Promise<unknown>, signal: AbortSignal): Promise<void> {
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
