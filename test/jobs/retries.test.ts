import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Failure, RunningTask, TaskHandlers } from '../../src/jobs/task.ts';
import { jobHostChanged } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import {
  enqueue,
  type JobsWorld,
  knownHost,
  openJobs,
  running,
  START,
  signal,
  Thrown,
  task,
} from './world.ts';

const MINUTE = 60_000;

for (const engine of databases) {
  describe(`a task that failed on ${engine.name}`, () => {
    it('is tried again after up to twice as long each time, twelve times in all', async () => {
      await using world = await openJobs(engine, {
        handlers: failing({ kind: 'transient', reason: 'reset' }),
      });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);

      const waits: number[] = [];
      for (let attempts = 1; attempts < 12; attempts++) {
        await until(
          async () => (await only(world)).attempts === attempts && (await isDelayed(world)),
        );
        const { runAt = 0 } = await only(world);
        waits.push((runAt - world.clock.at) / 1_000);
        world.clock.at = runAt;
      }
      const { status } = await world.jobs.ended(id, { signal });

      assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900]);
      assert.equal(status, 'failed');
      const { failure, reason, attempts } = await only(world);
      assert.deepEqual([failure, reason, attempts], ['transient', 'reset', 12]);
    });

    it('is tried twice more where its bytes were not the right ones', async () => {
      await using world = await openJobs(engine, {
        handlers: failing({ kind: 'integrity', reason: 'another digest' }),
      });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);

      for (const attempts of [1, 2]) {
        await until(
          async () => (await only(world)).attempts === attempts && (await isDelayed(world)),
        );
        world.clock.at += MINUTE;
      }
      await world.jobs.ended(id, { signal });

      const { failure, attempts } = await only(world);
      assert.deepEqual([failure, attempts], ['integrity', 3]);
    });

    it('is not tried again where that cannot help', async () => {
      await using world = await openJobs(engine, {
        handlers: failing({ kind: 'permanent', reason: 'no such repository' }),
      });
      world.jobs.start();

      const id = await enqueue(world, [task('copy')]);
      await world.jobs.ended(id, { signal });

      const { failure, attempts } = await only(world);
      assert.deepEqual([failure, attempts], ['permanent', 1]);
    });

    it('says what it said in its log', async () => {
      await using world = await openJobs(engine, {
        handlers: {
          copy: async ({ log }) => {
            for (let line = 1; line <= 1_200; line++) log(`line ${line}`);
            throw new Thrown({ kind: 'permanent', reason: 'not found' });
          },
        },
      });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);
      await world.jobs.ended(id, { signal });

      const lines = await world.jobs.tasks.log(1);

      assert.equal(lines.length, 1_000);
      assert.deepEqual(lines[0], { at: START, line: 'line 202' });
      assert.equal(lines.at(-1)?.line, 'attempt 1: not found');
    });
  });

  describe(`a task that could not begin on ${engine.name}`, () => {
    it('is tried again then, and what failed before still counts', async () => {
      const attempts: number[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ attempt }) => {
          attempts.push(attempt);
          if (attempts.length === 1) {
            throw new Thrown({ kind: 'transient', reason: 'reset', host: 'hub' });
          }
          return attempts.length < 4
            ? { notBefore: world.clock.at + MINUTE, note: 'waits' }
            : undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [task('copy', { hosts: ['hub'] })]);

      for (const tried of [1, 2, 3]) {
        await until(async () => attempts.length === tried && (await isDelayed(world)));
        assert.equal((await only(world)).attempts, 1);
        world.clock.at += MINUTE;
      }
      await world.jobs.ended(id, { signal });

      assert.deepEqual(attempts, [1, 2, 2, 2]);
    });

    it('says nothing of its host, and ends where it is to be stopped', async () => {
      const { promise: held, resolve: go } = Promise.withResolvers<void>();
      let begun = 0;
      const handlers: TaskHandlers = {
        copy: async ({ payload }) => {
          if (payload === 'fails') {
            throw new Thrown({ kind: 'transient', reason: 'reset', host: 'hub' });
          }
          begun += 1;
          if (begun > 1) await held;
          return { notBefore: world.clock.at + MINUTE };
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      await enqueue(world, [task('copy', { payload: 'fails', hosts: ['hub'] })]);
      await until(() => isDelayed(world));
      const id = await enqueue(world, [task('copy', { hosts: ['hub'] })]);
      await until(async () => (await world.jobs.tasks.get(2))?.state === 'delayed');
      assert.equal((await knownHost(world, 'hub'))?.failures, 1);

      world.clock.at += MINUTE;
      await until(() => begun === 2);
      await world.jobs.stop(id);
      go();

      assert.equal((await world.jobs.ended(id, { signal })).status, 'stopped');
    });
  });

  describe(`a host that asks to be left alone on ${engine.name}`, () => {
    it('is, by every task that loads it, and no attempt counts', async () => {
      const seen: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload, attempt }) => {
          seen.push([payload, attempt]);
          if (seen.length > 1) return undefined;
          const throttled = { kind: 'throttled', reason: '429', host: 'hub' } as const;
          throw new Thrown({ ...throttled, retryAfterMs: MINUTE });
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { workers: 1 } });
      const changes: unknown[] = [];
      using _ = jobHostChanged.subscribe((change) => changes.push(change));
      const id = await enqueue(world, [
        task('copy', { payload: 'first', hosts: ['hub'], priority: 1 }),
        task('copy', { payload: 'second', hosts: ['hub', 'quay'] }),
      ]);
      world.jobs.start();
      await until(() => changes.length === 1);
      const elsewhere = await enqueue(world, [task('copy', { payload: 'else', hosts: ['quay'] })]);
      await world.jobs.ended(elsewhere, { signal });
      assert.deepEqual(seen, [
        ['first', 1],
        ['else', 1],
      ]);

      world.clock.at += MINUTE;
      await world.jobs.ended(id, { signal });

      assert.deepEqual(seen.slice(2), [
        ['first', 1],
        ['second', 1],
      ]);
      assert.deepEqual(changes, [
        { host: 'hub', state: 'blocked', until: START + MINUTE, reason: '429' },
      ]);
    });

    it('need not be one that the task said it loads', async () => {
      const seen: number[] = [];
      await using world = await openJobs(engine, {
        handlers: {
          copy: async ({ attempt }) => {
            seen.push(attempt);
            if (seen.length > 1) return undefined;
            const throttled = { kind: 'throttled', reason: '429', host: 'auth' } as const;
            throw new Thrown({ ...throttled, retryAfterMs: MINUTE });
          },
        },
      });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);

      await until(() => isDelayed(world));
      world.clock.at += MINUTE;
      await world.jobs.ended(id, { signal });

      assert.deepEqual(seen, [1, 1]);
    });
  });

  describe(`a host that fails on ${engine.name}`, () => {
    it('is left alone after five times, and then asked by one task until it works', async () => {
      let isDown = true;
      const asked: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload }: RunningTask) => {
          asked.push(payload);
          if (isDown) throw new Thrown({ kind: 'transient', reason: 'refused', host: 'hub' });
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      const states: string[] = [];
      using _ = jobHostChanged.subscribe(({ state }) => states.push(state));
      const id = await enqueue(
        world,
        Array.from({ length: 6 }, (_unused, payload) => task('copy', { payload, hosts: ['hub'] })),
      );
      await enqueue(world, [task('copy', { payload: 'late', hosts: ['hub'], priority: -1 })]);
      world.jobs.start();
      await until(() => states.length === 1);
      await until(async () => (await running(world)) === 0);
      assert.ok(asked.length < 8);

      asked.length = 0;
      world.clock.at += 30_000;
      await until(() => states.length === 2);
      await until(async () => (await running(world)) === 0);
      assert.equal(asked.length, 1);
      isDown = false;
      world.clock.at += 15 * MINUTE;
      const { status } = await world.jobs.ended(id, { signal });

      assert.equal(status, 'succeeded');
      assert.deepEqual(states, ['failing', 'failing', 'working']);
    });
  });
}

function failing(failure: Failure): TaskHandlers {
  return {
    copy: async () => {
      throw new Thrown(failure);
    },
  };
}

async function only({ jobs }: JobsWorld) {
  const found = await jobs.tasks.get(1);
  assert.ok(found);
  return found;
}

async function isDelayed(world: JobsWorld): Promise<boolean> {
  return (await only(world)).state === 'delayed';
}
