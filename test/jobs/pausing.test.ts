import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { enqueue, openJobs, signal, task } from './world.ts';

for (const engine of databases) {
  describe(`a pause on ${engine.name}`, () => {
    it('of a queue lets the others go on', async () => {
      const { handlers, runs } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      await world.jobs.queues.pause('mirror');
      const held = await enqueue(world, [task('copy')]);
      const other = await enqueue(world, [task('copy')], { queue: 'other' });
      await world.jobs.ended(other, { signal });
      assert.deepEqual(runs, [other]);

      await world.jobs.queues.resume('mirror');
      await world.jobs.ended(held, { signal });

      assert.deepEqual(runs, [other, held]);
    });

    it('of a host holds back what loads it', async () => {
      const { handlers, runs } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      await world.jobs.hosts.pause('hub');
      const held = await enqueue(world, [task('copy', { hosts: ['hub', 'quay'] })]);
      const other = await enqueue(world, [task('copy', { hosts: ['quay'] })]);
      await world.jobs.ended(other, { signal });

      await world.jobs.hosts.resume('hub');
      await world.jobs.ended(held, { signal });

      assert.deepEqual(runs, [other, held]);
    });

    it('of everything holds back everything, over restarts', async () => {
      const { handlers, runs } = recording();
      await using world = await openJobs(engine, { handlers });
      await world.jobs.queues.pauseAll();
      const held = await enqueue(world, [task('copy')]);
      await using later = world.open();
      await world.jobs[Symbol.asyncDispose]();
      later.start();
      await until(async () => (await later.tasks.get(1))?.state === 'ready');
      assert.deepEqual(runs, []);

      await later.queues.resumeAll();
      await later.ended(held, { signal });

      assert.deepEqual(runs, [held]);
    });

    it('of a queue keeps nobody else from what both want', async () => {
      const { handlers, runs } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      await world.jobs.hosts.pause('hub');
      const blob = task('copy', { key: 'a', hosts: ['hub'] });
      const mine = await enqueue(world, [blob]);
      const early = await enqueue(world, [blob], { queue: 'early' });
      await world.jobs.queues.pause('mirror');
      await world.jobs.queues.pause('early');
      const late = await enqueue(world, [blob], { queue: 'late' });

      await world.jobs.hosts.resume('hub');
      const all = [late, mine, early];
      const done = await Promise.all(all.map((id) => world.jobs.ended(id, { signal })));

      assert.deepEqual(runs, [late]);
      assert.ok(done.every(({ status }) => status === 'succeeded'));
    });
  });
}

function recording() {
  const runs: number[] = [];
  const handlers: TaskHandlers = {
    copy: async ({ execution }) => {
      runs.push(execution);
      return undefined;
    },
  };
  return { handlers, runs };
}
