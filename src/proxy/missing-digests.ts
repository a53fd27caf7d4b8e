import { ruleFor, whetherToAsk } from '../../policies/freshness.ts';
import type { CacheStore } from '../cache/cache.ts';
import type { Digest } from '../oci/digest.ts';
import { failureOf } from './failures.ts';
import type { Upstream } from './upstreams.ts';

export interface MissingDigestsOptions {
  /** When upstream last said that it has no such digest; by repository and digest. */
  readonly store: CacheStore<number>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/**
 * What upstream said that it does not have, of one kind, as long as the rule for `*` says for tags: whoever makes digests up
 * asks this node alone.
 */
export class MissingDigests {
  readonly #options: MissingDigestsOptions;

  constructor(options: MissingDigestsOptions) {
    this.#options = options;
  }

  /** Whether upstream said so a moment ago. */
  async has(upstream: Upstream, digest: Digest): Promise<boolean> {
    const { store, now } = this.#options;
    const missingSince = await store.get(keyOf(upstream, digest));
    const facts = { cached: undefined, missingSince };
    return whetherToAsk(facts, ruleOf(upstream), now()) === 'known-missing';
  }

  /** Upstream has it after all, or may by now. */
  async forget(upstream: Upstream, digest: Digest): Promise<void> {
    await this.#options.store.delete(keyOf(upstream, digest));
  }

  /** Remembers what comes of asking upstream for it. */
  async noting<T>(upstream: Upstream, digest: Digest, ask: () => Promise<T>): Promise<T> {
    const { store, now } = this.#options;
    try {
      const answer = await ask();
      await this.forget(upstream, digest);
      return answer;
    } catch (error) {
      if (failureOf(error) === 'not-found') {
        await store.set(keyOf(upstream, digest), now(), ruleOf(upstream).negativeTtl);
      }
      throw error;
    }
  }
}

function ruleOf({ settings }: Upstream) {
  return ruleFor('', settings.freshness);
}

function keyOf({ key }: Upstream, digest: Digest): string {
  return `${key}@${digest}`;
}
