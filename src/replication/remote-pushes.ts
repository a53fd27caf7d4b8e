import { LRUCache } from 'lru-cache';
import { projectNameOf } from '../catalog/repositories.ts';
import type { Digest } from '../oci/digest.ts';
import { SingleFlight } from '../registry/single-flight.ts';

type Way = Pushed['way'];

export interface PushAsked {
  /** Aborting stops waiting; the push ends when nobody waits for it any more. */
  readonly signal: AbortSignal;
  /** When the registry said that it lacks the blob, by `performance.now()`. */
  readonly missingAt?: number | undefined;
  /** Whether to wait for the push to another repository that it can be mounted from then. By default. */
  readonly waits?: boolean | undefined;
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

/** What a push may try before it sends the bytes. */
export interface Mounting {
  /**
   * False while the project there refuses mounts, and where the repository lacks what was acknowledged before: then none
   * is tried, wherever it would be from.
   */
  readonly mayMount: boolean;
  /** Another repository of the same project there that has it, as far as is known. */
  readonly holder: string | undefined;
}

/** How a blob came there: from which repository; or sent, and whether a mount was tried before and came to nothing. */
export type Pushed =
  | { readonly way: 'mounted'; readonly from: string }
  | { readonly way: 'copied'; readonly isRefused: boolean };

type Push = (signal: AbortSignal, mounting: Mounting) => Promise<Pushed>;

const MOST_REMEMBERED = 10_000;
/** So many mounts that came to nothing, one after the other, and in a project there none is tried for so long. */
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
  /** By source, project and digest: the push of a policy, and the repository that was sent it last, or that it was mounted from. */
  readonly #underWay = new Map<string, Promise<Pushed>>();
  readonly #holders = new LRUCache<string, string>({ max: MOST_REMEMBERED });
  /** By project. */
  readonly #misses = new LRUCache<string, number>({ max: MOST_REMEMBERED, ttl: REFUSING_MS });

  /** @returns `under way` where it would wait, and is not to */
  async once(
    passage: Passage,
    push: Push,
    { signal, missingAt = Number.POSITIVE_INFINITY, waits = true }: PushAsked,
  ): Promise<Way | 'under way'> {
    const { source, from, policy } = passage;
    const place = `${passage.endpoint} ${passage.repository} ${passage.digest}`;
    const doneAt = this.#done.get(place);
    if (doneAt !== undefined && doneAt >= missingAt) return 'mounted';
    // A registry may say that it mounted what it did not: what it lacks again is sent.
    const errand = errandOf(passage, { isLost: doneAt !== undefined });
    if (!waits && this.#awaited(errand) !== undefined) return 'under way';
    const way = await this.#running.run(
      `${policy} ${place} ${source} ${from}`,
      ({ abandoned }) => this.#pushed(errand, push, abandoned),
      { signal },
    );
    this.#done.set(place, performance.now());
    return way;
  }

  async #pushed(errand: Errand, push: Push, signal: AbortSignal): Promise<Way> {
    const { repository, project, isLost, shared, key } = errand;
    for (let other = this.#awaited(errand); other !== undefined; other = this.#awaited(errand)) {
      await over(other, signal);
    }
    const known = this.#holders.get(shared);
    const holder = known === repository ? undefined : known;
    // Nothing comes between the look at what is under way and this.
    const pushing = push(signal, { mayMount: !isLost && this.#mounts(project), holder });
    this.#underWay.set(key, pushing);
    try {
      const pushed = await pushing;
      this.#learn(errand, pushed);
      return pushed.way;
    } finally {
      if (this.#underWay.get(key) === pushing) this.#underWay.delete(key);
    }
  }

  /** The push of another repository to wait for, since what it brings can be mounted. */
  #awaited(errand: Errand): Promise<unknown> | undefined {
    const { endpoint, source, project, isLost, shared, key } = errand;
    // Within one registry each has its own repository to be mounted from.
    if (source === endpoint || isLost || !this.#mounts(project)) return undefined;
    return this.#holders.has(shared) ? undefined : this.#underWay.get(key);
  }

  #mounts(project: string): boolean {
    return (this.#misses.get(project) ?? 0) < MOST_MISSES;
  }

  #learn({ repository, project, shared }: Errand, pushed: Pushed): void {
    if (pushed.way === 'copied') {
      this.#holders.set(shared, repository);
      if (pushed.isRefused) this.#misses.set(project, (this.#misses.get(project) ?? 0) + 1);
      return;
    }
    this.#misses.delete(project);
    // Not the repository itself: whether it came there, nobody has seen.
    const isBeside = projectNameOf(pushed.from) === projectNameOf(repository);
    if (isBeside) this.#holders.set(shared, pushed.from);
  }
}

/** A passage, and what is known of others by. */
interface Errand extends Passage {
  /** Whether it came there before, and the registry lacks it again. */
  readonly isLost: boolean;
  readonly project: string;
  /** Of the source, the project and the digest; and of the policy, too. */
  readonly shared: string;
  readonly key: string;
}

function errandOf(passage: Passage, { isLost }: Pick<Errand, 'isLost'>): Errand {
  const project = `${passage.endpoint} ${projectNameOf(passage.repository)}`;
  const shared = `${passage.source} ${project} ${passage.digest}`;
  return { ...passage, isLost, project, shared, key: `${passage.policy} ${shared}` };
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
