/** How fast the blobs of a policy may go, all of them together. */
import { compose } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicationPolicy } from '../../policies/replication.ts';
import { rateAt } from '../../policies/replication-windows.ts';
import type { BlobPart } from '../registry/peer.ts';
import type { Source } from './sides.ts';

/** The policy has a window in which nothing is copied. */
export class WindowClosed extends Error {
  override readonly name = 'WindowClosed';
  readonly waitMs: number;

  constructor(until: number, now: number) {
    super(`nothing is copied until ${new Date(until).toISOString()}`);
    this.waitMs = Math.max(LOOK_MS, until - now);
  }
}

type Rules = Pick<ReplicationPolicy, 'bandwidth' | 'windows'>;

/** A rule is looked at again after so long. */
const LOOK_MS = 1_000;
/** What may go at once after a pause, in seconds of the rate. */
const BURST_SECONDS = 0.1;
/** A window that never opens is looked at again after so long. */
const NEVER_MS = 24 * 60 * 60 * 1000;

/** One token bucket, which all the transfers of a policy draw from. */
export class Pace {
  readonly #now: () => number;
  #rules: Rules;
  #rate: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #freeAt = 0;

  /** `now`: milliseconds UTC. */
  constructor(rules: Rules, now: () => number) {
    this.#rules = rules;
    this.#now = now;
  }

  set rules(rules: Rules) {
    this.#rules = rules;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /** Now and at all times. */
  get isUnlimited(): boolean {
    const { bandwidth, windows } = this.#rules;
    return bandwidth === Number.POSITIVE_INFINITY && windows.length === 0;
  }

  /** @throws WindowClosed */
  assertOpen(): void {
    const now = this.#now();
    const { rate, until } = rateAt(this.#rules, now);
    if (rate === 0) throw new WindowClosed(until ?? now + NEVER_MS, now);
  }

  /** Waits until so many bytes may go. @throws WindowClosed, and the signal's reason */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#now();
    if (now - this.#lookedAt >= LOOK_MS) {
      this.#lookedAt = now;
      this.assertOpen();
      this.#rate = rateAt(this.#rules, now).rate;
    }
    if (this.#rate === undefined) return;
    const elapsed = performance.now();
    this.#freeAt = Math.max(this.#freeAt, elapsed - BURST_SECONDS * 1000);
    this.#freeAt += (bytes / this.#rate) * 1000;
    const waitMs = this.#freeAt - elapsed;
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
  }
}

/** A source whose blobs come no faster than that. */
export function paced(source: Source, pace: Pace): Source {
  if (pace.isUnlimited) return source;
  return {
    ...source,
    async blob(repository, digest, range, options) {
      pace.assertOpen();
      return pacedPart(await source.blob(repository, digest, range, options), pace, options);
    },
  };
}

function pacedPart(
  part: BlobPart,
  pace: Pace,
  { signal }: { readonly signal: AbortSignal },
): BlobPart {
  const chunks = async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      await pace.take(chunk.length, signal);
      yield chunk;
    }
  };
  const content = compose(part.content, chunks);
  return { ...part, content };
}
