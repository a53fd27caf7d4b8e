import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { EvictionRule } from '../../policies/eviction.ts';
import { type MaintenanceOptions, startMaintenance } from '../../src/catalog/maintenance.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';

const MINUTE = 60_000;
const WEEK = 7 * 24 * 60 * MINUTE;
const NOTHING = { blobs: 0, bytes: 0 };

describe('maintenance', () => {
  it('looks for what expired each minute, and for what nobody wants each hour', async () => {
    using clock = mockTimers();
    const { work, done } = recorded();
    await using _ = startMaintenance(work);

    await clock.tick(MINUTE - 1);
    assert.equal(done.length, 0);
    await clock.tick(1);
    assert.deepEqual(done, ['expire before 800', `arrivals before ${1000 - WEEK}`, 'collect']);
    for (let minute = 2; minute < 60; minute++) await clock.tick(MINUTE);
    assert.deepEqual(done.filter(isHourly), []);
    await clock.tick(MINUTE);

    assert.equal(done.filter((text) => text === 'collect').length, 60);
    assert.deepEqual(done.filter(isHourly), [
      'release owned before 800',
      'evict idle before 700',
      'release cached before 700',
      'drop empty before 800',
      'purge before 600',
    ]);
  });

  it('leaves idle content alone where that may be idle forever', async () => {
    using clock = mockTimers();
    const { work, done } = recorded();
    const eviction = EvictionRule.parse({ maxIdle: 'forever' });
    await using _ = startMaintenance({ ...work, eviction });

    await clock.tick(60 * MINUTE);

    assert.deepEqual(done.filter(isHourly), [
      'release owned before 800',
      'drop empty before 800',
      'purge before 600',
    ]);
  });

  it('leaves the audit log alone where that is kept forever', async () => {
    using clock = mockTimers();
    const { work, done } = recorded();
    await using _ = startMaintenance({ ...work, auditedMs: Number.POSITIVE_INFINITY });

    await clock.tick(60 * MINUTE);

    assert.ok(!done.some((text) => text.startsWith('purge')));
  });

  it('sweeps some minutes after the start, and then once a day', async () => {
    using clock = mockTimers();
    const { work, done } = recorded();
    await using _ = startMaintenance(work);
    const sweeps = (): number => done.filter((text) => text === 'sweep').length;

    await clock.tick(10 * MINUTE - 1);
    assert.equal(sweeps(), 0);
    await clock.tick(1);
    assert.equal(sweeps(), 1);
    await clock.tick((24 * 60 - 10) * MINUTE - 1);
    assert.equal(sweeps(), 1);
    await clock.tick(1);
    assert.equal(sweeps(), 2);
  });

  it('begins nothing anew while it is still at it, and is waited for', async () => {
    using clock = mockTimers();
    const { work, done } = recorded();
    const { promise: permission, resolve } = Promise.withResolvers<void>();
    const collect = async () => {
      done.push('collecting');
      await permission;
      done.push('collected');
      return NOTHING;
    };
    const maintenance = startMaintenance({ ...work, blobs: { ...work.blobs, collect } });

    for (let minute = 0; minute < 5; minute++) await clock.tick(MINUTE);
    const over = maintenance[Symbol.asyncDispose]();
    resolve();
    await over;
    await clock.tick(MINUTE);

    assert.deepEqual(done.slice(2), ['collecting', 'collected']);
  });

  it('ends what takes long when the node stops', async () => {
    using clock = mockTimers();
    const { work } = recorded();
    const blobs: MaintenanceOptions['blobs'] = {
      ...work.blobs,
      releaseUnreferenced: (_before, options) => untilStopped(options),
      sweep: untilStopped,
    };
    const maintenance = startMaintenance({ ...work, blobs });
    await clock.tick(60 * MINUTE);

    await maintenance[Symbol.asyncDispose]();
  });

  it('tells what fails, does the rest, and tries again', async () => {
    using clock = mockTimers();
    const failed: string[] = [];
    using _ = maintenanceFailed.subscribe((fact) => failed.push(fact.work));
    const { work, done } = recorded();
    await using maintenance = startMaintenance({ ...work, uploads: { expire: failing } });

    await clock.tick(MINUTE);
    await clock.tick(MINUTE);

    assert.deepEqual(failed, ['upload expiry', 'upload expiry']);
    assert.equal(done.filter((text) => text === 'collect').length, 2);
    await maintenance[Symbol.asyncDispose]();
  });
});

async function untilStopped({ signal }: { signal?: AbortSignal } = {}): Promise<number> {
  if (signal?.aborted === true) return 0;
  const stopped = Promise.withResolvers<void>();
  signal?.addEventListener('abort', () => stopped.resolve());
  await stopped.promise;
  return 0;
}

function isHourly(done: string): boolean {
  return /^(?:release|evict|drop|purge) /.test(done);
}

async function failing(): Promise<number> {
  throw new Error('no');
}

/** Work that says what was asked for. It is 1000 now, expiry takes 200, idle content may be so for 300, and the log is kept for 400. */
function recorded() {
  const done: string[] = [];
  const work: MaintenanceOptions = {
    audit: {
      async purge(before) {
        done.push(`purge before ${before}`);
        return 0;
      },
    },
    auditedMs: 400,
    blobs: {
      async collect() {
        done.push('collect');
        return NOTHING;
      },
      async releaseUnreferenced(before, { content = 'owned' } = {}) {
        done.push(`release ${content} before ${before}`);
        return 0;
      },
      async sweep() {
        done.push('sweep');
        return 0;
      },
    },
    cachedManifests: {
      async evictIdle(before) {
        done.push(`evict idle before ${before}`);
        return 0;
      },
    },
    arrivals: {
      async expire(before) {
        done.push(`arrivals before ${before}`);
        return 0;
      },
    },
    repositories: {
      async dropEmpty(before) {
        done.push(`drop empty before ${before}`);
        return 0;
      },
    },
    uploads: {
      async expire(before) {
        done.push(`expire before ${before}`);
        return 0;
      },
    },
    now: () => 1000,
    expiryMs: 200,
    eviction: EvictionRule.parse({ maxIdle: '300ms' }),
  };
  return { work, done };
}

function mockTimers() {
  mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
  return {
    /** What the timers begin has its turn, too. */
    async tick(milliseconds: number): Promise<void> {
      mock.timers.tick(milliseconds);
      await new Promise((resolve) => setImmediate(resolve));
    },
    [Symbol.dispose]: () => mock.timers.reset(),
  };
}
