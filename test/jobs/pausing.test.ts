import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { RunningTask, TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { abortOf, enqueue, type JobsWorld, openJobs, signal, task } from './world.ts';

const PAUSES = [
  {
    what: 'a queue',
    pause: ({ jobs }: JobsWorld) => jobs.queues.pause('mirror'),
    resume: ({ jobs }: JobsWorld) => jobs.queues.resume('mirror'),
  },
  {
    what: 'a host',
    pause: ({ jobs }: JobsWorld) => jobs.hosts.pause('hub'),
    resume: ({ jobs }: JobsWorld) => jobs.hosts.resume('hub'),
  },
  {
    what: 'everything',
    pause: ({ jobs }: JobsWorld) => jobs.queues.pauseAll(),
    resume: ({ jobs }: JobsWorld) => jobs.queues.resumeAll(),
  },
];

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

    for (const { what, pause, resume } of PAUSES) {
      it(`of ${what} gives back what runs, at no attempt’s cost, and it goes on later`, async () => {
        const { handlers, runs } = heldFirst();
        await using world = await openJobs(engine, { handlers });
        world.jobs.start();
        const id = await enqueue(world, [task('copy', { hosts: ['hub'] })]);
        await until(() => runs.length === 1);

        await pause(world);
        await until(async () => (await world.jobs.tasks.get(1))?.state === 'ready');
        assert.equal((await world.jobs.tasks.get(1))?.attempts, 0);
        await resume(world);
        const { status } = await world.jobs.ended(id, { signal });

        const attempts = runs.map(({ attempt }) => attempt);
        assert.deepEqual([attempts, status], [[1, 1], 'succeeded']);
      });
    }

    it('is heard by other processes, too', async () => {
      const told: string[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ signal: aborted }) => {
          told.push('begun');
          await once(aborted, 'abort');
          told.push('aborted');
          aborted.throwIfAborted();
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { leaseMs: 300 } });
      world.jobs.start();
      await enqueue(world, [task('copy')]);
      await until(() => told.length === 1);
      await using other = world.open({ instance: 'two' });

      await other.queues.pause('mirror');

      await until(() => told.includes('aborted'));
    });

    it('passes what others want to one that may begin, where it was under way', async () => {
      const { handlers, runs } = heldFirst();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const blob = task('copy', { key: 'a' });
      const mine = await enqueue(world, [blob]);
      await until(() => runs.length === 1);
      await world.jobs.queues.pause('early');
      await enqueue(world, [blob], { queue: 'early' });
      const late = await enqueue(world, [blob], { queue: 'late' });

      await world.jobs.queues.pause('mirror');
      await world.jobs.ended(late, { signal });

      assert.deepEqual(
        runs.map(({ execution }) => execution),
        [mine, late],
      );
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

/** The first goes on until it is told to end, the others do nothing. */
function heldFirst() {
  const runs: RunningTask[] = [];
  const handlers: TaskHandlers = {
    copy: async (run) => {
      runs.push(run);
      return runs.length === 1 ? abortOf(run.signal) : undefined;
    },
  };
  return { handlers, runs };
}
