import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { RETRY_RULES } from '../../src/jobs/failing.ts';
import { pauseQueue } from '../../src/jobs/pausing.ts';
import { retryTasks } from '../../src/jobs/retrying.ts';
import { beginStop, stopSome } from '../../src/jobs/stopping.ts';
import { databases } from '../support/databases.ts';
import { addTo, claim, fail, settleAt } from './support/by-hand.ts';
import { copies, MiB, START, task } from './world.ts';

const HUB = { hosts: ['hub'], cost: MiB };

for (const engine of databases) {
  describe(`the next task of several queues that want the same on ${engine.name}`, () => {
    it('is the one that a more urgent one follows', async () => {
      await using database = await engine.open();
      await addTo(database, 'first', copies(3, HUB));
      await addTo(database, 'second', [task('copy', { ...HUB, key: 'blob' })]);
      await addTo(database, 'urgent', [task('copy', { ...HUB, key: 'blob', priority: 5 })]);

      const [next] = await claim(database, 1);

      assert.equal(next?.key, 'blob');
    });

    it('is the one that a more urgent one follows, though another leads since the first was stopped', async () => {
      await using database = await engine.open();
      await addBlobs(database);
      await stop(database, 1);

      const [next] = await claim(database, 1);

      assert.deepEqual([next?.key, next?.queue], ['blob', 'second']);
    });

    it('is the one that a more urgent one follows, though it ran for another that was stopped', async () => {
      await using database = await engine.open();
      await addBlobs(database);
      const [running] = await claim(database, 1);
      assert.ok(running);
      await stop(database, 1);
      await fail(database, running, { kind: 'transient', reason: 'cut' });

      const [next] = await claim(database, 1, { now: START + RETRY_RULES.capMs });

      assert.deepEqual([next?.key, next?.queue], ['blob', 'second']);
    });

    it('is the one that a more urgent one follows, though another leads since the queue of the first is paused', async () => {
      await using database = await engine.open();
      await addBlobs(database);
      await settleAt(database, (settling) => pauseQueue(settling, 'first'));

      const [next] = await claim(database, 1);

      assert.deepEqual([next?.key, next?.queue], ['blob', 'second']);
    });

    it('is the one that a more urgent one follows since it is tried again', async () => {
      await using database = await engine.open();
      await addTo(database, 'urgent', [task('copy', { ...HUB, key: 'blob', priority: 5 })]);
      const [urgent] = await claim(database, 1);
      assert.ok(urgent);
      await fail(database, urgent, { kind: 'permanent', reason: 'gone' });
      await addTo(database, 'usual', [...copies(3, HUB), task('copy', { ...HUB, key: 'blob' })]);
      await settleAt(database, (settling) => retryTasks(settling, urgent.execution, [urgent.id]));

      const [next] = await claim(database, 1);

      assert.deepEqual([next?.key, next?.queue], ['blob', 'usual']);
    });
  });
}

/** One of three queues, the last of which wants it most, and what is less urgent than that; the first leads. */
async function addBlobs(database: Database): Promise<void> {
  for (const [queue, priority] of Object.entries({ first: 0, second: 0, urgent: 5 }))
    await addTo(database, queue, [task('copy', { ...HUB, key: 'blob', priority })]);
  await addTo(database, 'usual', copies(3, { ...HUB, priority: 3 }));
}

async function stop(database: Database, execution: number): Promise<void> {
  await settleAt(database, async (settling) => {
    await beginStop(settling, execution);
    await stopSome(settling, execution);
  });
}
