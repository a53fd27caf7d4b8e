import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { failedTasks, retryTasks } from '../../src/jobs/retrying.ts';
import type { RunningTask, TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { settleAt } from './support/by-hand.ts';
import { abortOf, enqueue, openJobs, signal, Thrown, task } from './world.ts';

for (const engine of databases) {
  describe(`failed tasks on ${engine.name}`, () => {
    it('are done again alone, and heal their execution', async () => {
      let isDown = true;
      const runs: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload, attempt }: RunningTask) => {
          runs.push([payload, attempt]);
          if (isDown && payload !== 'a') throw new Thrown({ kind: 'permanent', reason: 'gone' });
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [
        task('copy', { payload: 'a' }),
        task('copy', { payload: 'b', key: 'b' }),
        task('copy', { payload: 'c', after: [0, 1] }),
      ]);
      const failed = await world.jobs.ended(id, { signal });
      assert.deepEqual([failed.status, failed.failed], ['failed', 2]);

      isDown = false;
      runs.length = 0;
      const retried = await world.jobs.retryFailed(id);
      const healed = await world.jobs.ended(id, { signal });

      assert.equal(retried, 2);
      assert.deepEqual(runs, [
        ['b', 1],
        ['c', 1],
      ]);
      assert.deepEqual([healed.status, healed.succeeded, healed.total], ['succeeded', 3, 3]);
      assert.equal(await world.jobs.retryFailed(id), 0);
    });

    it('are done again with what they wait for', async () => {
      let isDown = true;
      const handlers: TaskHandlers = {
        copy: async () => {
          if (isDown) throw new Thrown({ kind: 'permanent', reason: 'gone' });
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [
        task('copy'),
        task('copy', { after: [0] }),
        task('copy', { after: [1] }),
        task('copy', { payload: 'other' }),
      ]);
      await world.jobs.ended(id, { signal });
      const failed = await failedTasks(world.database, id);

      isDown = false;
      await settleAt(world.database, (settling) => retryTasks(settling, id, [3]));
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual(failed, [[1, 2, 3, 4]]);
      assert.deepEqual([execution.succeeded, execution.failed], [3, 1]);
    });

    it('follow who does the same by now, and bring along what was stopped before them', async () => {
      const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
      let isDown = true;
      const runs: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload, execution, signal: stopped }: RunningTask) => {
          runs.push([payload, execution]);
          if (payload === 'slow') await Promise.race([allowed, abortOf(stopped)]);
          if (isDown) throw new Thrown({ kind: 'permanent', reason: 'gone' });
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [
        task('copy', { payload: 'a', key: 'a' }),
        task('copy', { payload: 'slow', key: 'slow' }),
        task('copy', { payload: 'c', after: [0, 1] }),
      ]);
      await until(async () => (await world.jobs.executions.get(id))?.failed === 2);
      await world.jobs.stop(id);
      assert.equal((await world.jobs.ended(id, { signal })).status, 'failed');

      isDown = false;
      const other = await enqueue(world, [task('copy', { payload: 'slow', key: 'slow' })]);
      await until(() => runs.length === 3);
      runs.length = 0;
      const retried = await world.jobs.retryFailed(id);
      await until(() => runs.length === 1);
      allow();
      const healed = await world.jobs.ended(id, { signal });

      assert.equal(retried, 2);
      assert.deepEqual(runs, [
        ['a', id],
        ['c', id],
      ]);
      assert.deepEqual([healed.status, healed.succeeded], ['succeeded', 3]);
      assert.equal((await world.jobs.ended(other, { signal })).status, 'succeeded');
      const { items } = await world.jobs.tasks.list(EVERYTHING);
      assert.ok(items.every(({ state }) => state === 'succeeded'));
    });

    it('of an exclusive one are left alone while another one of its queue is not over', async () => {
      const upstream = upstreamThatIsDown();
      await using world = await openJobs(engine, { handlers: upstream.handlers });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')], { exclusive: true });
      await world.jobs.ended(id, { signal });
      const slow = [task('copy', { payload: 'slow' })];
      const other = await enqueue(world, slow, { exclusive: true });
      upstream.isDown = false;

      await assert.rejects(world.jobs.retryFailed(id), {
        code: 'PRECONDITION',
        message: `execution ${other} is not over, and one runs at a time`,
      });
      assert.equal((await world.jobs.executions.get(id))?.status, 'failed');
      upstream.allow();
      await world.jobs.ended(other, { signal });

      assert.equal(await world.jobs.retryFailed(id), 1);
      assert.equal((await world.jobs.ended(id, { signal })).status, 'succeeded');
    });

    it('of an exclusive one that still runs are done again, and who waits for it waits on', async () => {
      const upstream = upstreamThatIsDown();
      await using world = await openJobs(engine, { handlers: upstream.handlers });
      world.jobs.start();
      const both = [task('copy'), task('copy', { payload: 'slow' })];
      const id = await enqueue(world, both, { exclusive: true });
      const other = await enqueue(world, [task('copy')], { exclusive: true });
      await until(async () => (await world.jobs.executions.get(id))?.failed === 1);
      upstream.isDown = false;

      assert.equal(await world.jobs.retryFailed(id), 1);
      assert.equal((await world.jobs.executions.get(other))?.status, 'waiting');
      upstream.allow();

      assert.equal((await world.jobs.ended(id, { signal })).status, 'succeeded');
      assert.equal((await world.jobs.ended(other, { signal })).status, 'succeeded');
    });
  });
}

/** What copies from it fails as long as it is down, but for what is slow, which goes on until it is allowed to end. */
function upstreamThatIsDown() {
  const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
  const upstream = { isDown: true, allow };
  const handlers: TaskHandlers = {
    copy: async ({ payload }: RunningTask) => {
      if (payload === 'slow') await allowed;
      else if (upstream.isDown) throw new Thrown({ kind: 'permanent', reason: 'gone' });
      return undefined;
    },
  };
  return Object.assign(upstream, { handlers });
}
