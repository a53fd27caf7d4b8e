import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVERYTHING } from '../../src/database/listing.ts';
import { forgetOld } from '../../src/jobs/retention.ts';
import { databases } from '../support/databases.ts';
import { enqueue, type JobsWorld, openJobs, signal, task } from './world.ts';

const DAY = 24 * 60 * 60_000;

for (const engine of databases) {
  describe(`old executions on ${engine.name}`, () => {
    it('are forgotten with their tasks, but for the newest of each queue', async () => {
      await using world = await openJobs(engine, { handlers: { copy: async () => undefined } });
      world.jobs.start();
      const mine = [await run(world, 'mine'), await run(world, 'mine'), await run(world, 'mine')];
      const other = await run(world, 'other');
      await world.jobs.queues.pauseAll();
      await enqueue(world, [task('copy')], { queue: 'third' });
      const rules = { newest: 2, maxAgeMs: DAY };

      const forgotten = await forgetOld(world.database, rules, { now: world.clock.at, signal });

      assert.equal(forgotten, 1);
      assert.deepEqual(await kept(world), [5, other, mine[2], mine[1]]);
      assert.equal((await world.jobs.tasks.list(EVERYTHING)).total, 7);
    });

    it('are forgotten when they are too old, but for the last of each queue that is over', async () => {
      await using world = await openJobs(engine, { handlers: { copy: async () => undefined } });
      world.jobs.start();
      await run(world, 'mine');
      const last = await run(world, 'mine');
      world.clock.at += DAY + 1;
      const rules = { newest: 100, maxAgeMs: DAY };

      const forgotten = await forgetOld(world.database, rules, { now: world.clock.at, signal });

      assert.equal(forgotten, 1);
      assert.deepEqual(await kept(world), [last]);
    });

    it('leave no count of what their queues got, where these have nothing to do', async () => {
      await using world = await openJobs(engine, { handlers: { copy: async () => undefined } });
      world.jobs.start();
      await run(world, 'mine');
      await world.jobs.queues.pauseAll();
      await enqueue(world, [task('copy')], { queue: 'busy' });
      const options = { now: world.clock.at, signal };

      await forgetOld(world.database, { newest: 1, maxAgeMs: DAY }, options);

      const turns = await world.database.read.selectFrom('job_turns').select('queue').execute();
      assert.deepEqual(
        turns.map(({ queue }) => queue),
        ['busy'],
      );
    });

    it('stay where the node stops meanwhile', async () => {
      await using world = await openJobs(engine, { handlers: { copy: async () => undefined } });
      world.jobs.start();
      await run(world, 'mine');
      await run(world, 'mine');
      const options = { now: world.clock.at, signal: AbortSignal.abort() };

      const forgotten = await forgetOld(world.database, { newest: 1, maxAgeMs: DAY }, options);

      assert.equal(forgotten, 0);
    });
  });
}

/** One with two tasks, one of which waits for the other and says something. */
async function run(world: JobsWorld, queue: string): Promise<number> {
  const id = await enqueue(world, [task('copy'), task('copy', { after: [0] })], { queue });
  await world.jobs.ended(id, { signal });
  return id;
}

async function kept({ jobs }: JobsWorld): Promise<readonly number[]> {
  const { items } = await jobs.executions.list(EVERYTHING);
  return items.map(({ id }) => id);
}
