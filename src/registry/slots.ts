/**
 * How many requests one host gets at once. Lanes, because a blob's body takes its slot until it ends: however many blobs
 * are on their way, manifests and tokens still pass; and however many are held up by slow readers, so do those that are kept.
 */
import PQueue from 'p-queue';
import { UpstreamUnavailable } from './errors.ts';
import type { BlobLane, CallOptions } from './peer.ts';

/** What is pushed has a lane of its own: copies within one registry would wait for each other in one. */
export type Lane = 'control' | 'push' | BlobLane;

export class HostSlots {
  readonly #queues = new Map<string, PQueue>();
  readonly #most: Readonly<Record<Lane, number>>;
  readonly #mostWaiting: number;

  constructor(
    most: Readonly<Record<Lane, number>>,
    { waiting = Number.POSITIVE_INFINITY }: { readonly waiting?: number } = {},
  ) {
    this.#most = most;
    this.#mostWaiting = waiting;
  }

  /**
   * Waits for a slot, first come first served; disposing gives it back. Aborting either signal leaves the queue.
   *
   * @throws UpstreamUnavailable busy, at once, where as many wait as may
   */
  async acquire(host: string, lane: Lane, { signal, abandoned }: CallOptions): Promise<Disposable> {
    const queue = this.#queue(host, lane);
    if (queue.size >= this.#mostWaiting) throw new UpstreamUnavailable(host, 'busy');
    const leaving = abandoned === undefined ? signal : AbortSignal.any([signal, abandoned]);
    // p-queue frees the slot of what its signal aborts: that signal ends with the wait, and the holder gives back.
    const waiting = new AbortController();
    const abort = (): void => waiting.abort(leaving.reason);
    if (leaving.aborted) abort();
    else leaving.addEventListener('abort', abort, { once: true });

    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const hold = (): Promise<void> => {
      leaving.removeEventListener('abort', abort);
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      resolve({ [Symbol.dispose]: release });
      return held;
    };
    queue.add(hold, { signal: waiting.signal }).catch(reject);
    return promise;
  }

  #queue(host: string, lane: Lane): PQueue {
    const key = `${lane} ${host}`;
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue = new PQueue({ concurrency: this.#most[lane] });
    // Tokens and the like lead to many hosts in time: a queue that nobody is in goes.
    queue.addEventListener('idle', () => {
      if (this.#queues.get(key) === queue) this.#queues.delete(key);
    });
    this.#queues.set(key, queue);
    return queue;
  }
}
