import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { settleOutcome } from '../../src/jobs/outcomes.ts';
import { pauseHost, resumeHost } from '../../src/jobs/pausing.ts';
import type { ClaimedTask } from '../../src/jobs/task.ts';
import { databases } from '../support/databases.ts';
import { addTo, claim, fail, settleAt, succeed } from './support/by-hand.ts';
import { copies, MiB, START, task } from './world.ts';

const HUB = { hosts: ['hub'], cost: MiB };

for (const engine of databases) {
  describe(`the next task of several queues on ${engine.name}`, () => {
    it('is of the highest priority, whichever queue asked first', async () => {
      await using database = await engine.open();
      await addTo(database, 'usual', copies(6, HUB));
      await addTo(database, 'urgent', copies(3, { ...HUB, priority: 5 }));
      await addTo(database, 'patient', copies(3, { ...HUB, priority: -5 }));

      const queues = await finishAll(database, { mostPerHost: 1, most: 4 });

      assert.deepEqual(queues, [
        ...Array(3).fill('urgent'),
        ...Array(6).fill('usual'),
        ...Array(3).fill('patient'),
      ]);
    });

    it('is of the highest priority in a claim of many, too', async () => {
      await using database = await engine.open();
      await addTo(database, 'usual', copies(6, HUB));
      await addTo(database, 'urgent', copies(3, { ...HUB, priority: 5 }));

      const claimed = await claim(database, 5, { mostPerHost: 4 });

      assert.deepEqual(queuesOf(claimed), [...Array(3).fill('urgent'), 'usual']);
    });

    it('is of a lower priority where the hosts of the higher ones have no room', async () => {
      await using database = await engine.open();
      await addTo(database, 'urgent', copies(3, { ...HUB, priority: 5 }));
      await addTo(database, 'usual', copies(3, { ...HUB, hosts: ['other'] }));

      const claimed = await claim(database, 6, { mostPerHost: 1 });

      assert.deepEqual(queuesOf(claimed), ['urgent', 'usual']);
    });

    it('is of the highest priority where the time of many others came before its own', async () => {
      await using database = await engine.open();
      await addTo(database, 'usual', copies(120, HUB));
      await addTo(database, 'urgent', copies(1, { ...HUB, priority: 5 }));
      const [urgent, ...usual] = await claim(database, 121);
      assert.ok(urgent);
      await putOff(database, usual, START + 1_000);
      await putOff(database, [urgent], START + 2_000);

      const claimed = await claim(database, 1, { now: START + 2_000 });

      assert.deepEqual(queuesOf(claimed), ['urgent']);
    });

    it('is what somebody waits for, before the ordinary work of its queue and of all others', async () => {
      await using database = await engine.open();
      await addTo(database, 'urgent', copies(2, { ...HUB, priority: 10 }));
      await addTo(database, 'pushes', copies(2, HUB));
      await addTo(database, 'pushes', copies(1, { ...HUB, priority: 1_000 }));

      const queues = await finishAll(database, { mostPerHost: 1, most: 1 });

      assert.deepEqual(queues, ['pushes', 'urgent', 'urgent', 'pushes', 'pushes']);
    });

    it('comes in turn for queues of one priority, while lower ones wait', async () => {
      await using database = await engine.open();
      for (const queue of ['one', 'other'])
        await addTo(database, queue, copies(20, { ...HUB, priority: 3 }));
      await addTo(database, 'usual', copies(20, HUB));

      const queues = queuesOf(await claim(database, 20));

      halved(queues, ['one', 'other']);
    });
  });

  describe(`queues of one priority on ${engine.name}, after a higher one came first`, () => {
    it('get as much each, though one of them did the work that came first', async () => {
      await using database = await engine.open();
      await addTo(database, 'waited', copies(40, HUB));
      await addTo(database, 'preferred', copies(40, HUB));
      await addTo(database, 'preferred', copies(50, { ...HUB, cost: 8 * MiB, priority: 1_000 }));
      const before = queuesOf(await claim(database, 50));

      const queues = queuesOf(await claim(database, 20));

      assert.deepEqual(counted(before), { preferred: 50 });
      halved(queues, ['waited', 'preferred']);
    });

    it('get as much each, though the work that came first was larger than it seemed', async () => {
      await using database = await engine.open();
      await addTo(database, 'waited', copies(40, HUB));
      await addTo(database, 'preferred', copies(40, HUB));
      await addTo(database, 'preferred', copies(10, { ...HUB, priority: 1_000 }));
      for (const each of await claim(database, 10)) await succeed(database, each, 80 * MiB);

      const queues = queuesOf(await claim(database, 20));

      halved(queues, ['waited', 'preferred']);
    });

    it('are as far apart as they were', async () => {
      await using database = await engine.open();
      await addTo(database, 'large', copies(10, { ...HUB, cost: 10 * MiB }));
      await addTo(database, 'small', copies(30, HUB));
      await addTo(database, 'urgent', copies(30, { ...HUB, priority: 5 }));
      await claim(database, 30);
      const both = counted(queuesOf(await claim(database, 2)));
      await addTo(database, 'urgent', copies(30, { ...HUB, priority: 5 }));
      await claim(database, 30);

      const queues = queuesOf(await claim(database, 9));

      assert.deepEqual(both, { large: 1, small: 1 });
      assert.deepEqual(counted(queues), { small: 9 });
    });

    it('get as much each, though it took the host of one of them alone', async () => {
      await using database = await engine.open();
      await addTo(database, 'held', copies(40, HUB));
      await addTo(database, 'free', copies(60, { ...HUB, hosts: ['other'] }));
      await addTo(database, 'urgent', copies(20, { ...HUB, priority: 5 }));
      for (let round = 0; round < 20; round++) {
        const claimed = await claim(database, 2, { mostPerHost: 1 });
        assert.deepEqual(queuesOf(claimed), ['urgent', 'free']);
        for (const each of claimed) await succeed(database, each, MiB);
      }

      const queues = queuesOf(await claim(database, 20));

      halved(queues, ['held', 'free']);
    });

    it('get as much each where one of them comes to that priority only then', async () => {
      await using database = await engine.open();
      await addTo(database, 'usual', copies(100, HUB));
      await addTo(database, 'changed', copies(20, { ...HUB, priority: 5 }));
      await claim(database, 60);
      await addTo(database, 'changed', copies(20, HUB));

      const queues = queuesOf(await claim(database, 20));

      halved(queues, ['usual', 'changed']);
    });

    it('get as much each on each of their hosts, though what ran there became urgent meanwhile', async () => {
      await using database = await engine.open();
      const blob = { key: 'blob', hosts: ['hub'], cost: 1_024 * MiB };
      await addTo(database, 'first', [task('copy', blob)]);
      const [running] = await claim(database, 1);
      assert.ok(running);
      await addTo(database, 'urgent', [task('copy', { ...blob, priority: 5 })]);
      await addTo(database, 'first', copies(20, { ...HUB, priority: 5 }));
      await fail(database, running, { kind: 'transient', reason: 'cut' });
      await addTo(database, 'first', copies(20, { ...HUB, hosts: ['other'], priority: 5 }));

      const claimed = await claim(database, 20);

      const routes = claimed.map(({ route }) => route);
      halved(routes, ['hub', 'other']);
    });

    it('get as much each where one of them has had its host back since', async () => {
      await using database = await engine.open();
      await addTo(database, 'usual', copies(100, { ...HUB, hosts: ['other'] }));
      await addTo(database, 'urgent', copies(20, { ...HUB, hosts: ['other'], priority: 5 }));
      await settleAt(database, (settling) => pauseHost(settling, 'hub'));
      await addTo(database, 'closed', copies(40, HUB));
      await claim(database, 60);
      await settleAt(database, (settling) => resumeHost(settling, 'hub'));

      const queues = queuesOf(await claim(database, 20));

      halved(queues, ['usual', 'closed']);
    });
  });
}

const queuesOf = (tasks: readonly ClaimedTask[]): string[] => tasks.map(({ queue }) => queue);

const counted = (queues: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    [...Map.groupBy(queues, (queue) => queue)].map(([queue, all]) => [queue, all.length]),
  );

/** Each has half of them, but for one task. */
function halved(queues: readonly string[], names: readonly [string, string]): void {
  const counts = counted(queues);
  const half = queues.length / 2;
  for (const name of names)
    assert.ok(Math.abs((counts[name] ?? 0) - half) <= 1, JSON.stringify(counts));
  assert.equal(Object.keys(counts).length, names.length);
}

/** They go on at that time. */
async function putOff(database: Database, tasks: readonly ClaimedTask[], at: number) {
  const outcome = { again: { payload: {}, at } };
  await settleAt(database, async (settling) => {
    for (const each of tasks) await settleOutcome(settling, each, { outcome, sent: 0 });
  });
}

/** @returns whose tasks they were, in the order in which they were claimed */
async function finishAll(
  database: Database,
  { most, mostPerHost }: { readonly most: number; readonly mostPerHost: number },
): Promise<readonly string[]> {
  const queues: string[] = [];
  for (;;) {
    const claimed = await claim(database, most, { mostPerHost });
    if (claimed.length === 0) return queues;
    queues.push(...queuesOf(claimed));
    for (const each of claimed) await succeed(database, each, each.cost);
  }
}
