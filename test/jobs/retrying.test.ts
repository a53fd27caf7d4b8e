import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunningTask, TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { enqueue, openJobs, signal, Thrown, task } from './world.ts';

for (const engine of databases) {
  describe(`failed tasks on ${engine.name}`, () => {
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
