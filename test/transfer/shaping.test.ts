import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Bucket, type Clock, Link, type Take } from '../../src/transfer/shaping.ts';

const CHUNK = 64 * 1024;
const RATE = 12_500_000;
const signal = new AbortController().signal;

describe('a bucket', () => {
  for (const transfers of [1, 8, 100]) {
    it(`gives ${transfers} at a time its rate within 5 % over 10 seconds`, async () => {
      const clock = new SimulatedClock();
      const bucket = new Bucket(RATE, clock);

      const [bytes] = await moved(clock, 10_000, [
        { take: (count) => bucket.take(count, signal), transfers },
      ]);

      assertNear(bytes, 10 * RATE, 0.05);
    });
  }

  it('gives no more than a tenth of a second’s worth at once after a pause', async () => {
    const clock = new SimulatedClock();
    const bucket = new Bucket(RATE, clock);
    const first = bucket.take(CHUNK, signal);
    await clock.until(60_000);
    await first;

    const [bytes = 0] = await moved(clock, 1_000, [
      { take: (count) => bucket.take(count, signal), transfers: 8 },
    ]);

    assert.ok(bytes <= 1.1 * RATE + 8 * CHUNK, String(bytes));
  });

  it('gives what was given up to those who come after', async () => {
    const clock = new SimulatedClock();
    const bucket = new Bucket(100_000, clock);
    const stop = new AbortController();
    const taken = Array.from({ length: 32 }, () => bucket.take(CHUNK, stop.signal));
    await clock.until(1_000);
    stop.abort();
    await Promise.allSettled(taken);

    assert.equal(await waited(clock, bucket, 1_000), 10);
  });

  it('still has those wait who come after others that wait', async () => {
    const clock = new SimulatedClock();
    const bucket = new Bucket(100_000, clock);
    const stop = new AbortController();
    const stays = bucket.take(100_000, signal);
    const leaves = bucket.take(50_000, stop.signal);
    stop.abort();
    await assert.rejects(leaves);

    assert.equal(await waited(clock, bucket, 1_000), 1_010);
    await stays;
  });

  it('gives no time back that has passed', async () => {
    const clock = new SimulatedClock();
    const bucket = new Bucket(100_000, clock);
    const stop = new AbortController();
    const leaves = bucket.take(100_000, stop.signal);
    await clock.until(900);
    stop.abort();
    await assert.rejects(leaves);

    assert.equal(await waited(clock, bucket, 20_000), 200);
  });

  for (const [rate, ms] of [
    [1_000_000, 101],
    [50_000, 2_020],
  ] as const) {
    it(`lets what lies ahead go at its new rate of ${rate} bytes a second`, async () => {
      const clock = new SimulatedClock();
      const bucket = new Bucket(100_000, clock);
      const before = bucket.take(100_000, signal);

      bucket.rate = rate;

      assert.equal(await waited(clock, bucket, 1_000), ms);
      await before;
    });
  }

  it('holds nobody up once it is unlimited, and starts anew with a rate', async () => {
    const clock = new SimulatedClock();
    const bucket = new Bucket(100_000, clock);
    const before = bucket.take(1_000_000, signal);
    bucket.rate = Number.POSITIVE_INFINITY;
    assert.equal(await waited(clock, bucket, 1_000_000), 0);

    bucket.rate = 100_000;

    assert.equal(await waited(clock, bucket, 20_000), 100);
    await before;
  });
});

describe('several buckets that bytes go through', () => {
  it('let them go as fast as the narrowest, and no slower', async () => {
    const clock = new SimulatedClock();
    const wide = new Bucket(2 * RATE, clock);
    const narrow = new Bucket(RATE, clock);
    const take = async (count: number): Promise<void> => {
      await wide.take(count, signal);
      await narrow.take(count, signal);
    };

    const [bytes] = await moved(clock, 10_000, [{ take, transfers: 3 }]);

    assertNear(bytes, 10 * RATE, 0.05);
  });
});

describe('a link', () => {
  it('is all for replication while no client waits', async () => {
    const clock = new SimulatedClock();
    const link = new Link(RATE, { holdsClients: true, clock });

    const [bytes] = await moved(clock, 10_000, [{ take: link.forReplication, transfers: 32 }]);

    assertNear(bytes, 10 * RATE, 0.05);
  });

  it('keeps a quarter for clients, and its rate with both', async () => {
    const clock = new SimulatedClock();
    const link = new Link(RATE, { holdsClients: true, clock });

    const [replicated = 0, pulled = 0] = await moved(clock, 10_000, [
      { take: link.forReplication, transfers: 32 },
      { take: link.forClients, transfers: 1 },
    ]);

    assertNear(pulled, 2.5 * RATE, 0.05);
    assertNear(replicated + pulled, 10 * RATE, 0.05);
  });

  it('that is for replication alone leaves a quarter of itself unused while clients wait, and does not hold them', async () => {
    const clock = new SimulatedClock();
    const link = new Link(RATE, { holdsClients: false, clock });
    const line = new Bucket(3 * RATE, clock);
    const client: Take = async (count) => {
      await link.forClients(count, signal);
      await line.take(count, signal);
    };

    const [replicated, pulled] = await moved(clock, 10_000, [
      { take: link.forReplication, transfers: 32 },
      { take: client, transfers: 2 },
    ]);

    assertNear(replicated, 7.5 * RATE, 0.05);
    assertNear(pulled, 30 * RATE, 0.05);
  });
});

/** Time that goes on when everybody waits for it, and no other way. */
class SimulatedClock implements Clock {
  #now = 0;
  readonly #waiting: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wait(ms: number, aborting: AbortSignal): Promise<void> {
    return new Promise((wake, reject) => {
      aborting.addEventListener('abort', () => reject(aborting.reason), { once: true });
      this.#waiting.push({ at: this.#now + ms, wake });
      this.#waiting.sort((one, other) => one.at - other.at);
    });
  }

  async until(end: number): Promise<void> {
    for (;;) {
      // All that can go on without time has.
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#waiting[0];
      if (next === undefined || next.at > end) break;
      this.#now = next.at;
      this.#waiting.shift()?.wake();
    }
    this.#now = end;
  }
}

/** Milliseconds, whole ones, that it keeps so many bytes. */
async function waited(clock: SimulatedClock, bucket: Bucket, bytes: number): Promise<number> {
  const startedAt = clock.now();
  const goneAt = bucket.take(bytes, signal).then(() => clock.now());
  await clock.until(startedAt + 60_000);
  return Math.round((await goneAt) - startedAt);
}

/** Bytes that each kind moved, with so many transfers at a time, in so many milliseconds. */
async function moved(
  clock: SimulatedClock,
  forMs: number,
  kinds: readonly { readonly take: Take; readonly transfers: number }[],
): Promise<readonly number[]> {
  const end = clock.now() + forMs;
  const totals = kinds.map(() => 0);
  for (const [kind, { take, transfers }] of kinds.entries()) {
    const transfer = async (): Promise<void> => {
      while (clock.now() < end) {
        await take(CHUNK, signal);
        if (clock.now() <= end) totals[kind] = (totals[kind] ?? 0) + CHUNK;
      }
    };
    for (let at = 0; at < transfers; at++) void transfer();
  }
  await clock.until(end);
  return totals;
}

function assertNear(actual: number | undefined, expected: number, tolerance: number): void {
  const ratio = (actual ?? Number.NaN) / expected;
  assert.ok(Math.abs(ratio - 1) <= tolerance, `${actual} is ${ratio} of ${expected}`);
}
