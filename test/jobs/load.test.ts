import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { databases } from '../support/databases.ts';
import { enqueue, MiB, openJobs, START, task } from './world.ts';

for (const engine of databases) {
  describe(`what there is to do on ${engine.name}`, () => {
    it('is told by lane and by queue, and of some executions by kind', async () => {
      await using world = await openJobs(engine);
      const blob = task('copy-blob', { hosts: ['hub', 'site'], cost: MiB });
      const id = await enqueue(world, [blob, blob, task('put', { after: [0, 1] })]);
      world.clock.at += 1_000;
      await enqueue(world, [blob], { queue: 'other' });

      const { lanes, oldestReady, backlogs } = await world.jobs.load();
      const { kinds } = await world.jobs.backlog([id]);

      assert.deepEqual(lanes, [
        { queue: 'mirror', hosts: ['hub', 'site'], ready: 2, running: 0 },
        { queue: 'other', hosts: ['hub', 'site'], ready: 1, running: 0 },
      ]);
      assert.equal(oldestReady, START);
      assert.deepEqual(
        backlogs.toSorted((left, right) => left.since - right.since),
        [
          { queue: 'mirror', tasks: 3, since: START },
          { queue: 'other', tasks: 1, since: START + 1_000 },
        ],
      );
      assert.deepEqual(Object.fromEntries(kinds), {
        'copy-blob': { tasks: 2, bytes: 2 * MiB },
        put: { tasks: 1, bytes: 0 },
      });
    });

    it('is nothing where there is nothing', async () => {
      await using world = await openJobs(engine);

      const load = await world.jobs.load();
      const { kinds } = await world.jobs.backlog([]);

      assert.deepEqual(load, { lanes: [], oldestReady: undefined, backlogs: [] });
      assert.equal(kinds.size, 0);
    });
  });
}
