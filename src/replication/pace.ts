/** How fast the blobs of a policy may go, all of them together. */
import type { ReplicationPolicy } from '../../policies/replication.ts';
import { rateAt } from '../../policies/replication-windows.ts';
import { Bucket, type Link, shapedPart, type Take } from '../transfer/shaping.ts';
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
/** A window that never opens is looked at again after so long. */
const NEVER_MS = 24 * 60 * 60 * 1000;

/** One token bucket, which all the transfers of a policy draw from. */
export class Pace {
  readonly #now: () => number;
  #rules: Rules;
  readonly #bucket = new Bucket(Number.POSITIVE_INFINITY);
  #lookedAt = Number.NEGATIVE_INFINITY;

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
      this.#bucket.rate = rateAt(this.#rules, now).rate ?? Number.POSITIVE_INFINITY;
    }
    await this.#bucket.take(bytes, signal);
  }
}

/** A source whose blobs come no faster than the policy and the links on the way let them. */
export function paced(source: Source, pace: Pace, links: readonly Link[]): Source {
  const takes: Take[] = links.filter(({ isUnlimited }) => !isUnlimited).map(takeOf);
  if (!pace.isUnlimited) takes.unshift((bytes, signal) => pace.take(bytes, signal));
  if (takes.length === 0) return source;
  return {
    ...source,
    isPaced: true,
    async blob(repository, digest, range, options) {
      pace.assertOpen();
      return shapedPart(await source.blob(repository, digest, range, options), takes, options);
    },
  };
}

const takeOf = ({ forReplication }: Link): Take => forReplication;
