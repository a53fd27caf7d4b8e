import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import type { RunningTask } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { enqueue, openJobs, START, signal, Thrown, task } from './world.ts';

for (const engine of databases) {
  describe(`executions on ${engine.name}`, () => {
    it('are done by their handlers, and over when their tasks are', async () => {
      const seen: unknown[] = [];
      await using world = await openJobs(engine, {
        handlers: {
          copy: async (running) => {
            seen.push([running.queue, running.payload, running.attempt]);
            return { bytes: 7, note: 'copied' };
          },
        },
      });
      const id = await enqueue(world, [task('copy', { payload: { digest: 'a' } })]);
      world.jobs.start();

      const { total, live, succeeded, status, bytes, endedAt } = await world.jobs.ended(id, {
        signal,
      });

      assert.deepEqual(seen, [['mirror', { digest: 'a' }, 1]]);
      assert.deepEqual(
        { total, live, succeeded, status, bytes, endedAt },
        { total: 1, live: 0, succeeded: 1, status: 'succeeded', bytes: 7, endedAt: START },
      );
      const { items } = await world.jobs.tasks.list(EVERYTHING);
      assert.deepEqual(
        items.map(({ state, note }) => [state, note]),
        [['succeeded', 'copied']],
      );
    });

    it('are there if and only if the transaction is that wanted them', async () => {
      await using world = await openJobs(engine);

      await assert.rejects(
        world.database.write(async (transaction) => {
          await world.jobs.enqueue(transaction, {
            kind: 'replication',
            queue: 'mirror',
            trigger: 'event',
            operator: 'ada',
            tasks: [task('copy')],
          });
          throw new Error('no');
        }),
        { message: 'no' },
      );

      assert.equal((await world.jobs.executions.list(EVERYTHING)).total, 0);
    });

    it('without a task are over at once', async () => {
      await using world = await openJobs(engine);

      const id = await enqueue(world, []);

      assert.equal((await world.jobs.executions.get(id))?.status, 'succeeded');
    });

    it('are one for each scheduled time', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, [task('copy')], { scheduledFor: START });

      await assert.rejects(enqueue(world, [task('copy')], { scheduledFor: START }));
      await enqueue(world, [task('copy')], { scheduledFor: START, queue: 'other' });
      await enqueue(world, [task('copy')], { scheduledFor: START + 1 });

      assert.equal((await world.jobs.executions.list(EVERYTHING)).total, 3);
    });

    it('have failed where a task has, whatever the others did', async () => {
      await using world = await openJobs(engine, {
        handlers: {
          copy: async () => undefined,
          fail: async () => {
            throw new Thrown({ kind: 'permanent', reason: 'not found' });
          },
        },
      });
      world.jobs.start();

      const id = await enqueue(world, [task('copy'), task('fail'), task('unheard of')]);
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual([execution.status, execution.succeeded, execution.failed], ['failed', 1, 2]);
      const { items } = await world.jobs.tasks.list(EVERYTHING);
      assert.deepEqual(
        items.map(({ failure, reason }) => [failure, reason]),
        [
          [undefined, undefined],
          ['permanent', 'not found'],
          ['permanent', 'this node does not know how to do unheard of'],
        ],
      );
    });

    it('end together with what becomes true with a task, or neither', async () => {
      let calls = 0;
      await using world = await openJobs(engine, {
        handlers: {
          copy: async () => {
            calls += 1;
            return {
              next: [task('done')],
              alongside: async (transaction) => {
                await transaction
                  .insertInto('settings')
                  .values({ name: 'copied', value: 'true', updated_at: START })
                  .execute();
                if (calls === 1) throw new Thrown({ kind: 'transient', reason: 'again' });
              },
            };
          },
          done: async () => undefined,
        },
      });
      world.jobs.start();

      const id = await enqueue(world, [task('copy')]);
      await until(async () => (await world.jobs.tasks.get(1))?.state === 'delayed');
      assert.equal((await world.jobs.executions.get(id))?.total, 1);
      world.clock.at += 1_000;
      const execution = await world.jobs.ended(id, { signal });

      assert.equal(calls, 2);
      assert.deepEqual([execution.total, execution.succeeded], [2, 2]);
    });

    it('that are exclusive wait for one another, and take in what is asked for meanwhile', async () => {
      const { promise: first, resolve: finish } = Promise.withResolvers<void>();
      const begun: number[] = [];
      await using world = await openJobs(engine, {
        handlers: {
          expand: async ({ payload }: RunningTask) => {
            begun.push(Number(payload));
            if (payload === 1) await first;
            return undefined;
          },
        },
      });
      world.jobs.start();
      const ask = (payload: number): Promise<number> =>
        enqueue(world, [task('expand', { payload })], { exclusive: true });

      const ids = [await ask(1), await ask(2), await ask(2), await ask(3)];
      await until(() => begun.length === 1);
      assert.equal((await world.jobs.executions.get(2))?.status, 'waiting');
      finish();
      const second = await world.jobs.ended(2, { signal });

      assert.deepEqual(ids, [1, 2, 2, 2]);
      assert.deepEqual(
        [begun[0], begun.slice(1).toSorted((left, right) => left - right)],
        [1, [2, 3]],
      );
      assert.equal(second.succeeded, 2);
    });
  });
}
