/**
 * How fast bytes may go: by policy, by endpoint, and by all that is replicated together. Whoever moves some takes them
 * from each bucket that they go through, so that the narrowest of them holds.
 */
import { compose } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobPart, ReadablePeer } from '../registry/peer.ts';

/** What may go at once after a pause, in seconds of the rate. */
const BURST_SECONDS = 0.1;
/** Of a link, for replication while clients' pulls use it too: the rest is theirs. */
const SHARED = 3 / 4;
/** Clients use a link for so long after their last byte. */
const IN_USE_MS = 1_000;

/** Of milliseconds that only go forward. */
export interface Clock {
  now(): number;
  /** Aborting rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  wait: (ms, signal) => delay(ms, undefined, { signal }),
};

/** Holds bytes back until so many may go. Aborting rejects. */
export type Take = (bytes: number, signal: AbortSignal) => Promise<void>;

/** A token bucket, first come first served. */
export class Bucket {
  #rate: number;
  readonly #clock: Clock;
  /** When all that was taken has gone. */
  #freeAt = 0;

  constructor(rate: number, clock: Clock = CLOCK) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Bytes a second. What was taken and has not gone yet goes at the new rate for those who come; who waits already waits as long. */
  set rate(rate: number) {
    if (rate === this.#rate) return;
    const now = this.#clock.now();
    if (this.#freeAt > now) this.#freeAt = now + (this.#freeAt - now) * (this.#rate / rate);
    this.#rate = rate;
  }

  /** Who gives up leaves its bytes to those who come after. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    const now = this.#clock.now();
    this.#freeAt = Math.max(this.#freeAt, now - BURST_SECONDS * 1000);
    this.#freeAt += (bytes / this.#rate) * 1000;
    const waitMs = this.#freeAt - now;
    if (waitMs <= 0) return;
    try {
      await this.#clock.wait(waitMs, signal);
    } catch (error) {
      this.#giveBack(bytes);
      throw error;
    }
  }

  #giveBack(bytes: number): void {
    const now = this.#clock.now();
    if (this.#freeAt > now) {
      this.#freeAt = Math.max(now, this.#freeAt - (bytes / this.#rate) * 1000);
    }
  }
}

/**
 * The way to one endpoint, or all ways together. Replication leaves a quarter of it to clients who wait for what they pull,
 * as long as some do, and uses all of it otherwise.
 */
export class Link {
  readonly #rate: number;
  readonly #all: Bucket;
  readonly #replicated: Bucket;
  readonly #holdsClients: boolean;
  readonly #clock: Clock;
  #clientsAt = Number.NEGATIVE_INFINITY;

  /** `holdsClients`: whether what clients pull is held to the rate, too. */
  constructor(
    rate: number,
    { holdsClients, clock = CLOCK }: { readonly holdsClients: boolean; readonly clock?: Clock },
  ) {
    this.#rate = rate;
    this.#all = new Bucket(rate, clock);
    this.#replicated = new Bucket(rate, clock);
    this.#holdsClients = holdsClients;
    this.#clock = clock;
  }

  get isUnlimited(): boolean {
    return this.#rate === Number.POSITIVE_INFINITY;
  }

  readonly forClients: Take = async (bytes, signal) => {
    this.#clientsAt = this.#clock.now();
    if (this.#holdsClients) await this.#all.take(bytes, signal);
  };

  readonly forReplication: Take = async (bytes, signal) => {
    const isShared = this.#clock.now() - this.#clientsAt < IN_USE_MS;
    this.#replicated.rate = isShared ? this.#rate * SHARED : this.#rate;
    await this.#replicated.take(bytes, signal);
    await this.#all.take(bytes, signal);
  };
}

/** The same part, whose bytes come no faster than all of these let them. */
export function shapedPart<Part extends Pick<BlobPart, 'content'>>(
  part: Part,
  takes: readonly Take[],
  { signal }: { readonly signal: AbortSignal },
): Part {
  if (takes.length === 0) return part;
  const chunks = async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      for (const take of takes) await take(chunk.length, signal);
      yield chunk;
    }
  };
  return { ...part, content: compose(part.content, chunks) };
}

/** A registry as clients' pulls come through it. */
export function pulledThrough<Peer extends ReadablePeer>(
  peer: Peer,
  links: readonly (Link | undefined)[],
): Peer {
  const takes = links.flatMap((link) =>
    link === undefined || link.isUnlimited ? [] : [link.forClients],
  );
  if (takes.length === 0) return peer;
  return {
    ...peer,
    async blob(repository, digest, options) {
      return shapedPart(await peer.blob(repository, digest, options), takes, options);
    },
  };
}
