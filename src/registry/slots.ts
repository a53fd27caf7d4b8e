/**
 * How many requests one host gets at once. Two lanes, because a blob's body takes its slot until it ends: however many
 * blobs are on their way, or held up by a slow reader, manifests and tokens still pass.
 */
import PQueue from 'p-queue';

export type Lane = 'control' | 'blob';

export class HostSlots {
  readonly #queues = new Map<string, PQueue>();
  readonly #most: Readonly<Record<Lane, number>>;

  constructor(most: Readonly<Record<Lane, number>>) {
    this.#most = most;
  }

  /** Waits for a slot, first come first served; disposing gives it back. Aborting leaves the queue. */
  acquire(host: string, lane: Lane, { signal }: { signal: AbortSignal }): Promise<Disposable> {
    const queue = this.#queue(host, lane);
    // p-queue frees the slot of what its signal aborts: that signal ends with the wait, and the holder gives back.
    const waiting = new AbortController();
    const abort = (): void => waiting.abort(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });

    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const hold = (): Promise<void> => {
      signal.removeEventListener('abort', abort);
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
