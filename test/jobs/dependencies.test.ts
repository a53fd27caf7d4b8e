import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import type { RunningTask, TaskOutcome } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { enqueue, openJobs, signal, Thrown, task } from './world.ts';

for (const engine of databases) {
  describe(`tasks that wait for others on ${engine.name}`, () => {
    it('begin when all of them are done', async () => {
      const { handlers, order } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();

      const id = await enqueue(world, [
        task('blob', { payload: 'a' }),
        task('blob', { payload: 'b' }),
        task('manifest', { payload: 'm', after: [0, 1] }),
        task('tag', { payload: 't', after: [2] }),
      ]);
      const { status } = await world.jobs.ended(id, { signal });

      assert.equal(status, 'succeeded');
      assert.deepEqual(
        [sorted(order.slice(0, 2)), order.slice(2)],
        [
          ['a', 'b'],
          ['m', 't'],
        ],
      );
    });

    it('fail with the one that they waited for, and for its reason', async () => {
      const { handlers, order } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();

      const id = await enqueue(world, [
        task('fail'),
        task('manifest', { payload: 'm', after: [0] }),
        task('tag', { payload: 't', after: [1] }),
        task('tag', { payload: 'other' }),
      ]);
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual(order, ['other']);
      assert.deepEqual([execution.failed, execution.succeeded], [3, 1]);
      const { items } = await world.jobs.tasks.list(EVERYTHING);
      assert.deepEqual(
        items.slice(0, 3).map(({ failure, reason }) => [failure, reason]),
        [
          ['permanent', 'no such thing'],
          ['blocked', 'no such thing'],
          ['blocked', 'no such thing'],
        ],
      );
    });

    it('wait for what their blocker turned into', async () => {
      const { handlers, order } = recording();
      await using world = await openJobs(engine, { handlers: { ...handlers, sync: inTwoSteps } });
      world.jobs.start();

      const id = await enqueue(world, [task('sync'), task('tag', { payload: 't', after: [0] })]);
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual(order, ['a', 'm', 't']);
      assert.equal(execution.succeeded, 4);
    });

    it('wait on while their blocker goes on page by page', async () => {
      const { handlers, order } = recording();
      const pages: unknown[] = [];
      const expand = async ({ payload }: RunningTask): Promise<TaskOutcome> => {
        pages.push(payload);
        const page = Number(payload);
        const next = [task('blob', { payload: page, replaces: true })];
        return page === 2 ? { next } : { next, again: { payload: page + 1 } };
      };
      await using world = await openJobs(engine, { handlers: { ...handlers, expand } });
      world.jobs.start();

      const id = await enqueue(world, [
        task('expand', { payload: 0 }),
        task('tag', { payload: 'last', after: [0] }),
      ]);
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual(pages, [0, 1, 2]);
      assert.deepEqual([sorted(order.slice(0, 3)), order[3]], [[0, 1, 2], 'last']);
      assert.equal(execution.total, 5);
    });

    it('can only wait for what is before them in the batch', async () => {
      await using world = await openJobs(engine);

      await assert.rejects(enqueue(world, [task('tag', { after: [1] }), task('blob')]), RangeError);
    });
  });

  describe(`tasks of one key on ${engine.name}`, () => {
    it('are one task in one execution', async () => {
      const { handlers, order } = recording();
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();

      const id = await enqueue(world, [
        task('blob', { payload: 'a', key: 'a' }),
        task('blob', { payload: 'a', key: 'a' }),
        task('tag', { payload: 't', after: [1] }),
      ]);
      const execution = await world.jobs.ended(id, { signal });

      assert.deepEqual(order, ['a', 't']);
      assert.equal(execution.total, 2);
    });

    it('are done once for two executions, which both wait for it', async () => {
      const { handlers, order } = recording();
      await using world = await openJobs(engine, { handlers });
      const first = await enqueue(world, [
        task('blob', { payload: 'a', key: 'a' }),
        task('tag', { payload: 't1', after: [0] }),
      ]);
      const second = await enqueue(
        world,
        [task('blob', { payload: 'a', key: 'a' }), task('tag', { payload: 't2', after: [0] })],
        { queue: 'other' },
      );
      world.jobs.start();

      const executions = [
        await world.jobs.ended(first, { signal }),
        await world.jobs.ended(second, { signal }),
      ];

      assert.equal(order[0], 'a');
      assert.deepEqual(sorted(order.slice(1)), ['t1', 't2']);
      assert.deepEqual(
        executions.map(({ succeeded }) => succeeded),
        [2, 2],
      );
    });

    it('fail for all who asked', async () => {
      const { handlers } = recording();
      await using world = await openJobs(engine, { handlers });
      const ids = [
        await enqueue(world, [task('fail', { key: 'a' })]),
        await enqueue(world, [task('fail', { key: 'a' }), task('tag', { after: [0] })]),
      ];
      world.jobs.start();

      const executions = await Promise.all(ids.map((id) => world.jobs.ended(id, { signal })));

      assert.deepEqual(
        executions.map(({ failed }) => failed),
        [1, 2],
      );
    });

    it('fail once with what they wait for and with whom they follow', async () => {
      const { handlers } = recording();
      await using world = await openJobs(engine, { handlers });
      const copies = [
        task('fail', { key: 'blob' }),
        task('manifest', { key: 'manifest', after: [0] }),
      ];
      await enqueue(world, copies);
      const second = await enqueue(world, [...copies, task('tag', { payload: 'other' })]);
      await world.jobs.hosts.pause('hub');
      await enqueue(world, [task('blob', { hosts: ['hub'] })]);
      world.jobs.start();

      const { total, live, failed, succeeded } = await world.jobs.ended(second, { signal });

      assert.deepEqual([total, live, failed, succeeded], [3, 0, 2, 1]);
    });

    it('are done again by the next who asks, where the first turned into others', async () => {
      const { handlers, order } = recording();
      const { promise: allowed, resolve: allow } = Promise.withResolvers<void>();
      const syncs: number[] = [];
      const sync = async ({ execution }: RunningTask): Promise<TaskOutcome> => {
        syncs.push(execution);
        return { next: [task('held', { payload: 'a', key: 'a', replaces: true })] };
      };
      const held = async (running: RunningTask): Promise<undefined> => {
        await allowed;
        order.push(running.payload);
      };
      await using world = await openJobs(engine, { handlers: { ...handlers, sync, held } });
      const ids = [
        await enqueue(world, [task('sync', { key: 's' })]),
        await enqueue(world, [
          task('sync', { key: 's' }),
          task('tag', { payload: 't', after: [0] }),
        ]),
      ];
      world.jobs.start();

      await until(() => syncs.length === 2);
      allow();
      await Promise.all(ids.map((id) => world.jobs.ended(id, { signal })));

      assert.deepEqual(syncs, ids);
      assert.deepEqual(order, ['a', 't']);
    });
  });
}

/** Handlers that say what they did, and one that cannot. */
function recording() {
  const order: unknown[] = [];
  const record = async ({ payload }: RunningTask): Promise<undefined> => {
    order.push(payload);
  };
  return { order, handlers: { blob: record, manifest: record, tag: record, fail } };
}

async function inTwoSteps(): Promise<TaskOutcome> {
  return {
    next: [
      task('blob', { payload: 'a' }),
      task('manifest', { payload: 'm', after: [0], replaces: true }),
    ],
  };
}

async function fail(): Promise<undefined> {
  throw new Thrown({ kind: 'permanent', reason: 'no such thing' });
}

function sorted(payloads: readonly unknown[]): readonly unknown[] {
  return payloads.toSorted((left, right) => (String(left) < String(right) ? -1 : 1));
}
