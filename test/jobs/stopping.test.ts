import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskHandlers } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { abortOf, copies, enqueue, type JobsWorld, openJobs, signal, task } from './world.ts';

for (const engine of databases) {
  describe(`an execution that is stopped on ${engine.name}`, () => {
    it('begins nothing more, and tells what runs', async () => {
      const { handlers, begun } = chunks();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [
        task('copy', { payload: 'a' }),
        task('copy', { payload: 'b', after: [0] }),
        task('copy', { payload: 'c', hosts: ['paused'] }),
      ]);
      await world.jobs.hosts.pause('paused');
      await until(() => begun.length > 0);

      await world.jobs.stop(id);
      const execution = await world.jobs.ended(id, { signal });

      assert.equal(execution.status, 'stopped');
      assert.equal(execution.stopped, execution.total);
      await world.jobs.stop(id);
      assert.equal((await world.jobs.executions.get(id))?.stopped, 3);
    });

    it('is stopped to its end by the next start, where the process was killed meanwhile', async () => {
      const { handlers, begun } = chunks();
      await using world = await openJobs(engine, { handlers });
      const id = await enqueue(world, [task('copy'), task('copy')]);
      await world.database.write(async (transaction) => {
        await transaction.updateTable('executions').set({ stopping: 1 }).execute();
      });

      world.jobs.start();
      const { status, stopped } = await world.jobs.ended(id, { signal });

      assert.deepEqual([status, stopped, begun], ['stopped', 2, []]);
    });

    it('has many tasks that are stopped some at a time', async () => {
      const { handlers } = chunks();
      await using world = await openJobs(engine, { handlers });
      const many = copies(2_100);
      const id = await enqueue(world, many);

      await world.jobs.stop(id);

      assert.equal((await world.jobs.executions.get(id))?.stopped, many.length);
      assert.deepEqual(await load(world), []);
    });

    it('lets one of its queue begin that waited for it', async () => {
      const { handlers } = chunks();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const ids = [
        await enqueue(world, [task('copy')], { exclusive: true }),
        await enqueue(world, [task('quick')], { exclusive: true }),
      ];

      await world.jobs.stop(ids[0] ?? 0);
      const second = await world.jobs.ended(ids[1] ?? 0, { signal });

      assert.equal(second.status, 'succeeded');
    });

    it('is over at once where it had not begun', async () => {
      const { handlers } = chunks();
      await using world = await openJobs(engine, { handlers });
      await enqueue(world, [task('copy')], { exclusive: true });
      const waiting = await enqueue(world, [task('copy')], { exclusive: true });

      await world.jobs.stop(waiting);

      assert.equal((await world.jobs.executions.get(waiting))?.status, 'stopped');
    });

    it('hands a task that runs, and that another waits for, to that one', async () => {
      const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
      const runs: number[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ execution, signal: stopped }) => {
          runs.push(execution);
          await allowed;
          stopped.throwIfAborted();
          return { bytes: 9 };
        },
        tag: async () => undefined,
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const mine = await enqueue(world, copyAndTag());
      const theirs = await enqueue(world, copyAndTag(), { queue: 'other' });
      await until(() => runs.length === 1);

      await world.jobs.stop(mine);
      allow();
      const stopped = await world.jobs.ended(mine, { signal });
      const done = await world.jobs.ended(theirs, { signal });

      assert.deepEqual([stopped.status, stopped.stopped, stopped.bytes], ['stopped', 2, 0]);
      assert.deepEqual([done.status, done.succeeded, done.bytes], ['succeeded', 2, 9]);
      assert.deepEqual(runs, [mine]);
      assert.deepEqual(await load(world), []);
    });

    it('hands on no more than the work: what it led to is the other one’s own', async () => {
      const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
      const runs: unknown[] = [];
      const handlers: TaskHandlers = {
        sync: async ({ payload, execution }) => {
          runs.push([payload, execution]);
          if (payload === 'mine') await allowed;
          return { next: [task('copy', { payload: `for ${String(payload)}` })] };
        },
        copy: async ({ payload, execution }) => {
          runs.push([payload, execution]);
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const mine = await enqueue(world, [task('sync', { key: 's', payload: 'mine' })]);
      const theirs = await enqueue(
        world,
        [task('sync', { key: 's', payload: 'theirs', hosts: ['hub'] })],
        { queue: 'other' },
      );
      await until(() => runs.length === 1);

      await world.jobs.stop(mine);
      allow();
      await world.jobs.ended(theirs, { signal });

      assert.deepEqual(runs, [
        ['mine', mine],
        ['theirs', theirs],
        ['for theirs', theirs],
      ]);
      assert.deepEqual(await load(world), []);
    });

    it('leaves a task that has not begun, and that another waits for, to that one', async () => {
      const runs: number[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ execution }) => {
          runs.push(execution);
          return undefined;
        },
        tag: async () => undefined,
      };
      await using world = await openJobs(engine, { handlers });
      const mine = await enqueue(world, copyAndTag());
      const theirs = [
        await enqueue(world, copyAndTag(), { queue: 'other' }),
        await enqueue(world, copyAndTag(), { queue: 'third' }),
      ];

      await world.jobs.stop(mine);
      world.jobs.start();
      const done = await Promise.all(theirs.map((id) => world.jobs.ended(id, { signal })));

      assert.deepEqual(
        done.map(({ succeeded }) => succeeded),
        [2, 2],
      );
      assert.deepEqual(runs, [theirs[0]]);
    });
  });
}

const copyAndTag = () => [task('copy', { key: 'a' }), task('tag', { after: [0] })];

/** A handler that goes on chunk by chunk until it is told to end, and one that does nothing. */
function chunks() {
  const begun: unknown[] = [];
  const handlers: TaskHandlers = {
    copy: async ({ payload, signal: stopped }) => {
      begun.push(payload);
      return abortOf(stopped);
    },
    quick: async () => undefined,
  };
  return { handlers, begun };
}

/** Lanes that think they have something to do. */
async function load({ database }: JobsWorld) {
  return database.read
    .selectFrom('job_lanes')
    .selectAll()
    .where((lane) => lane.or([lane('ready', '!=', 0), lane('running', '!=', 0)]))
    .execute();
}
