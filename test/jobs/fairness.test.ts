import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { Database } from '../../src/database/database.ts';
import { BREAKS_AFTER } from '../../src/jobs/hosts.ts';
import { beginStop } from '../../src/jobs/stopping.ts';
import type { ClaimedTask } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { addTo, claim, hostFailed, settleAt, succeed } from './support/by-hand.ts';
import { moveBytes } from './virtual-workers.ts';
import { copies, enqueue, MiB, openJobs, START, task } from './world.ts';

const LINK = { workers: 4, bytesPerSecond: 2 * MiB, seconds: 60 };

describe('two queues of one weight', () => {
  for (const { name, told } of [
    { name: 'whose sizes are known', told: 1 },
    { name: 'whose sizes turn out only then', told: 0 },
  ]) {
    it(`move bytes that differ by a tenth at most in a minute, ${name}`, async () => {
      const [engine] = databases;
      assert.ok(engine);
      await using database = await engine.open();
      // One has few large blobs and asked first, the other many small ones.
      const large = Array.from({ length: 200 }, (_, n) => (1 + (n % 8)) * MiB);
      const small = Array.from({ length: 900 }, (_, n) => (1 + (n % 4)) * (MiB / 4));
      for (const [queue, sizes] of Object.entries({ large, small })) {
        const tasks = sizes.map((size) => task('copy', { cost: told * size, payload: { size } }));
        await addTo(database, queue, tasks);
      }

      const moved = await moveBytes(database, { ...LINK, sizeOf });

      const [one = 0, other = 0] = [moved.get('large'), moved.get('small')];
      const total = LINK.workers * LINK.bytesPerSecond * LINK.seconds;
      assert.ok(one + other > 0.99 * total, 'the link was full');
      assert.ok(Math.abs(one - other) <= 0.1 * Math.max(one, other), `${one} and ${other}`);
    });
  }
});

for (const engine of databases) {
  describe(`the next task on ${engine.name}`, () => {
    it('is of the highest priority of its queue, and then the oldest', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, [
        task('copy', { payload: 1 }),
        task('copy', { payload: 2, priority: 5 }),
        task('copy', { payload: 3, priority: 5, hosts: ['hub'] }),
        task('copy', { payload: 4 }),
      ]);

      const payloads = (await claim(world.database, 4)).map(({ payload }) => Number(payload));

      assert.deepEqual(
        payloads.slice(0, 2).toSorted((left, right) => left - right),
        [2, 3],
      );
      assert.deepEqual(payloads.slice(2), [1, 4]);
    });

    it('is for each host in turn', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, copies(20, { hosts: ['a'] }));
      await enqueue(world, copies(20, { hosts: ['b'] }));

      const routes = (await claim(world.database, 10)).map(({ route }) => route);

      assert.equal(routes.filter((route) => route === 'a').length, 5);
    });

    it('is not one that would load a host with more than it gets', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, copies(5, { hosts: ['a', 'b'] }));
      await enqueue(world, copies(5, { hosts: ['b', 'c'] }), { queue: 'other' });

      const first = await claim(world.database, 10, { mostPerHost: 3 });
      const more = await claim(world.database, 10, { mostPerHost: 3 });

      assert.deepEqual([first.length, more.length], [3, 0]);
    });

    it('is of another queue, or another execution of that one, while one is being stopped', async () => {
      await using world = await openJobs(engine);
      const stopped = await enqueue(world, copies(20, { hosts: ['a'], priority: 5 }));
      await enqueue(world, copies(2, { hosts: ['a'], priority: 5 }));
      await enqueue(world, copies(20, { hosts: ['a'] }), { queue: 'other' });
      await settleAt(world.database, (settling) => beginStop(settling, stopped));

      const claimed = await claim(world.database, 10, { mostPerHost: 5 });

      const queues = claimed.map(({ queue }) => queue);
      assert.deepEqual(queues, ['mirror', 'mirror', 'other', 'other', 'other']);
    });

    for (const { priority, name } of [
      { priority: 5, name: 'of a higher priority' },
      { priority: 0, name: 'of the same priority' },
    ]) {
      it(`is one ${name} that loads two hosts, each of which has much else to do`, async () => {
        await using world = await openJobs(engine);
        await enqueue(world, copies(40, { hosts: ['a'] }), { queue: 'left' });
        await enqueue(world, copies(40, { hosts: ['b'] }), { queue: 'right' });
        const running = await claim(world.database, 64, { mostPerHost: 4 });
        await enqueue(world, copies(1, { hosts: ['a', 'b'], priority }), { queue: 'both' });

        const queues = await inTurn(world.database, running, ['a', 'b', 'a', 'b', 'a', 'b']);

        assert.deepEqual(queues.slice(0, 1), ['both']);
      });
    }

    it('is kept from one place alone of a host that others wait to load with another', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, copies(40, { hosts: ['b'] }), { queue: 'right' });
      await claim(world.database, 64, { mostPerHost: 4 });
      for (const host of ['a', 'c'])
        await enqueue(world, copies(9, { hosts: [host, 'b'], priority: 5 }), { queue: host });
      await enqueue(world, copies(9, { hosts: ['a', 'd'], priority: 5 }), { queue: 'd' });
      await enqueue(world, copies(9, { hosts: ['c'] }), { queue: 'c' });

      const claimed = await claim(world.database, 64, { mostPerHost: 4 });

      const routes = claimed.map(({ route }) => route);
      assert.deepEqual(routes.toSorted(), ['a d', 'a d', 'a d', 'c', 'c', 'c']);
    });

    it('is kept of no host where one task has to find out whether it works again', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, copies(9, { hosts: ['a'] }), { queue: 'left' });
      await claim(world.database, 64, { mostPerHost: 4 });
      await enqueue(world, copies(1, { hosts: ['a', 'b'], priority: 5 }), { queue: 'both' });
      await enqueue(world, copies(9, { hosts: ['b'] }), { queue: 'right' });
      await hostFailed(world.database, 'b', { failures: BREAKS_AFTER, since: START });

      const claimed = await claim(world.database, 64, { mostPerHost: 4 });

      assert.deepEqual(
        claimed.map(({ queue }) => queue),
        ['right'],
      );
    });

    it('comes in turn for a queue that was idle, as if it had never been', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, copies(50, { cost: MiB }), { queue: 'busy' });
      await claim(world.database, 30);
      await enqueue(world, copies(50, { cost: MiB }), { queue: 'idle' });

      const queues = (await claim(world.database, 10)).map(({ queue }) => queue);

      assert.equal(queues.filter((queue) => queue === 'idle').length, 5);
    });

    it('comes in turn for a queue that was paused, or whose host was', async () => {
      await using world = await openJobs(engine);
      await world.jobs.queues.pause('paused');
      await world.jobs.hosts.pause('hub');
      await enqueue(world, copies(50, { cost: MiB }), { queue: 'paused' });
      await enqueue(world, copies(50, { cost: MiB, hosts: ['hub'] }), { queue: 'blocked' });
      await enqueue(world, copies(80, { cost: MiB }), { queue: 'busy' });
      await claim(world.database, 30);
      await world.jobs.queues.resume('paused');
      await claim(world.database, 1);
      await world.jobs.hosts.resume('hub');

      const claimed = await claim(world.database, 30);

      const counts = Map.groupBy(claimed, ({ queue }) => queue);
      for (const queue of ['paused', 'blocked', 'busy'])
        assert.ok(Math.abs((counts.get(queue)?.length ?? 0) - 10) <= 1, queue);
    });
  });
}

/** One of those that run at each of the hosts in turn succeeds. @returns of whom are those that begin instead, in order */
async function inTurn(
  database: Database,
  running: readonly ClaimedTask[],
  hosts: readonly string[],
): Promise<readonly string[]> {
  const left = [...running];
  const queues: string[] = [];
  for (const host of hosts) {
    const [over] = left.splice(
      left.findIndex(({ route }) => route === host),
      1,
    );
    assert.ok(over);
    await succeed(database, over, 0);
    queues.push(...(await claim(database, 64, { mostPerHost: 4 })).map(({ queue }) => queue));
  }
  return queues;
}

const Sized = z.object({ size: z.number() });
const sizeOf = ({ payload }: ClaimedTask): number => Sized.parse(JSON.parse(payload)).size;
