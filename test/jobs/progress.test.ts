import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RunningTask } from '../../src/jobs/task.ts';
import { executionFinished, taskFinished } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { enqueue, MiB, openJobs, signal, task } from './world.ts';

for (const engine of databases) {
  describe(`the progress of tasks on ${engine.name}`, () => {
    it('is written now and then, for all of them, and what they log', async () => {
      const { handlers, release } = halfway(({ payload, progress, log }) => {
        progress(Number(payload));
        log(`half of ${Number(payload)}`);
      });
      await using world = await openJobs(engine, { handlers, limits: { progressMs: 20 } });
      world.jobs.start();
      const id = await enqueue(world, [
        task('copy', { payload: 3 * MiB }),
        task('copy', { payload: 5 * MiB }),
      ]);

      await until(async () => (await world.jobs.tasks.log(2)).length > 0);
      const seen = [await world.jobs.tasks.get(1), await world.jobs.tasks.get(2)];
      release();
      const { bytes } = await world.jobs.ended(id, { signal });

      assert.deepEqual(
        seen.map((each) => each?.progress),
        [3 * MiB, 5 * MiB],
      );
      assert.equal((await world.jobs.tasks.log(2))[0]?.line, `half of ${5 * MiB}`);
      assert.equal(bytes, 8 * MiB);
    });

    it('is written sooner where much has gone', async () => {
      const { handlers, release } = halfway(({ progress }) => {
        progress(63 * MiB);
        progress(1 * MiB);
      });
      await using world = await openJobs(engine, { handlers, limits: { progressMs: 3_600_000 } });
      world.jobs.start();
      const id = await enqueue(world, [task('copy')]);

      await until(async () => (await world.jobs.tasks.get(1))?.progress === 64 * MiB);
      release();
      await world.jobs.ended(id, { signal });
    });

    it('is told when they are over', async () => {
      const { handlers, release } = halfway(({ progress }) => progress(7));
      await using world = await openJobs(engine, { handlers });
      const tasks: unknown[] = [];
      const executions: unknown[] = [];
      using listening = new DisposableStack();
      listening.use(
        taskFinished.subscribe(({ queue, kind, hosts, outcome, bytes }) =>
          tasks.push({ queue, kind, hosts, outcome, bytes }),
        ),
      );
      listening.use(
        executionFinished.subscribe(({ execution, status, bytes }) =>
          executions.push({ execution, status, bytes }),
        ),
      );
      world.jobs.start();
      const id = await enqueue(world, [task('copy', { hosts: ['quay', 'hub'] })]);

      release();
      await until(() => tasks.length > 0 && executions.length > 0);

      assert.deepEqual(tasks, [
        { queue: 'mirror', kind: 'copy', hosts: ['hub', 'quay'], outcome: 'succeeded', bytes: 7 },
      ]);
      assert.deepEqual(executions, [{ execution: id, status: 'succeeded', bytes: 7 }]);
    });
  });
}

/** A handler that does so much, and ends when it is released. */
function halfway(work: (running: RunningTask) => void) {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const copy = async (running: RunningTask): Promise<undefined> => {
    work(running);
    await promise;
  };
  return { handlers: { copy }, release };
}
