import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RETRY_RULES } from '../../src/jobs/failing.ts';
import { reap } from '../../src/jobs/leases.ts';
import type { RunningTask, TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { settleAt } from './support/by-hand.ts';
import { abortOf, enqueue, openJobs, signal, task } from './world.ts';

const LEASE_MS = 60_000;

for (const engine of databases) {
  describe(`leases on ${engine.name}`, () => {
    it('of an earlier start are taken back at once, and what it would still write is refused', async () => {
      const { handlers, release, attempts } = holding();
      await using world = await openJobs(engine, { handlers, limits: { workers: 1 } });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);
      await until(() => attempts.length === 1);

      await using later = world.open({
        handlers: { copy: async () => ({ note: 'by the later' }) },
      });
      later.start();
      const execution = await later.ended(id, { signal });
      release();
      await world.jobs[Symbol.asyncDispose]();

      assert.deepEqual([execution.succeeded, execution.total], [1, 1]);
      const done = await later.tasks.get(1);
      assert.deepEqual([done?.note, done?.attempts], ['by the later', 2]);
    });

    it('of another process are left alone, until they lapse', async () => {
      const { handlers, release, attempts } = holding();
      await using world = await openJobs(engine, { handlers, limits: { workers: 2 } });
      await using other = world.open({
        instance: 'two',
        handlers: { copy: async () => ({ note: 'by the other' }) },
        limits: { pollMs: 20, leaseMs: 30 },
      });
      world.jobs.start();
      const id = await enqueue(world, [task('copy'), task('copy')]);
      await until(() => attempts.length === 2);
      other.start();
      const quick = await enqueue({ ...world, jobs: other }, [task('copy')], { queue: 'other' });
      await other.ended(quick, { signal });
      assert.equal((await other.tasks.get(1))?.state, 'running');

      world.clock.at += LEASE_MS + 1;
      const execution = await other.ended(id, { signal });
      release();

      assert.equal(execution.succeeded, 2);
      assert.equal((await other.tasks.get(1))?.note, 'by the other');
    });

    it('that are lost and held again let one attempt end before the next', async () => {
      const { handlers, release, attempts } = holding();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);
      await until(() => attempts.length === 1);

      world.clock.at += LEASE_MS + 1;
      await settleAt(
        world.database,
        (settling) => reap(settling, { except: new Set(), rules: RETRY_RULES }),
        world.clock.at,
      );
      await until(async () => (await world.jobs.tasks.get(1))?.attempts === 2);
      assert.deepEqual(attempts, [1]);
      release();
      const { succeeded } = await world.jobs.ended(id, { signal });

      assert.deepEqual([attempts, succeeded], [[1, 2], 1]);
    });

    it('are given back when the node stops, and the attempt does not count', async () => {
      const seen: unknown[] = [];
      const copy = async ({ signal: stopped, attempt }: RunningTask): Promise<undefined> => {
        seen.push(attempt);
        await abortOf(stopped);
      };
      await using world = await openJobs(engine, { handlers: { copy } });
      world.jobs.start();
      await enqueue(world, [task('copy')]);
      await until(() => seen.length === 1);

      await world.jobs[Symbol.asyncDispose]();

      const left = await world.jobs.tasks.get(1);
      assert.deepEqual([left?.state, left?.attempts, seen], ['ready', 0, [1]]);
    });
  });
}

/** A handler that does not end, whatever it is told, before it is released. */
function holding() {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const attempts: number[] = [];
  const handlers: TaskHandlers = {
    copy: async ({ attempt }) => {
      attempts.push(attempt);
      await promise;
      return { note: 'by the earlier' };
    },
  };
  return { handlers, release, attempts };
}
