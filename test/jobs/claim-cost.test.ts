import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { claimTasks } from '../../src/jobs/claims.ts';
import { RETRY_RULES } from '../../src/jobs/failing.ts';
import { reap } from '../../src/jobs/leases.ts';
import { addTasks } from '../../src/jobs/new-tasks.ts';
import { pauseQueue } from '../../src/jobs/pausing.ts';
import type { Settling } from '../../src/jobs/settling.ts';
import { databases } from '../support/databases.ts';
import { addTo, CLAIMING, settleAt } from './support/by-hand.ts';
import { MiB, task } from './world.ts';

const QUEUES = 50;
const ROUNDS = 40;

const QUESTIONS: readonly { readonly name: string; readonly ask: Ask }[] = [
  { name: 'a claim', ask: claim },
  { name: 'a look for lapsed leases', ask: lookForLapsed },
  { name: 'a task with a key that is added to an execution', ask: addKeyed },
  { name: 'a pause', ask: pause },
];

describe('what is asked with 20,000 tasks of fifty queues', () => {
  it('takes as long as with 500', async () => {
    const [engine] = databases;
    assert.ok(engine);
    await using few = await engine.open();
    await using many = await engine.open();
    await fill(few, 10);
    await fill(many, 400);

    for (const { name, ask } of QUESTIONS) {
      const quickest = { few: Number.POSITIVE_INFINITY, many: Number.POSITIVE_INFINITY };
      for (let round = 0; round < ROUNDS; round++) {
        quickest.few = Math.min(quickest.few, await ask(few, round));
        quickest.many = Math.min(quickest.many, await ask(many, round));
      }

      // A scan of them would take forty times as long.
      const message = `${name}: ${quickest.many} and ${quickest.few} ms`;
      assert.ok(quickest.many < 4 * quickest.few, message);
    }
  });
});

/** @returns milliseconds */
type Ask = (database: Database, round: number) => Promise<number>;

/** One execution of all, beside those of the queues: what is found in one must not depend on how many tasks it has. */
async function fill(database: Database, each: number): Promise<void> {
  for (let queue = 0; queue < QUEUES; queue++) {
    const tasks = Array.from({ length: each }, (_, n) =>
      task('copy', {
        cost: MiB,
        hosts: ['source', `host-${n % 3}`],
        priority: n % 2,
        key: `${queue} ${n}`,
      }),
    );
    await addTo(database, `queue ${queue}`, tasks);
  }
  await database.write((transaction) =>
    transaction.updateTable('tasks').set({ execution: 1 }).execute(),
  );
}

async function claim(database: Database): Promise<number> {
  return timed(database, async ({ transaction }) => {
    const claimed = await claimTasks(transaction, { ...CLAIMING, most: 1 });
    assert.equal(claimed.length, 1);
  });
}

async function lookForLapsed(database: Database): Promise<number> {
  return timed(database, async (settling) => {
    assert.equal(await reap(settling, { except: new Set(), rules: RETRY_RULES }), 0);
  });
}

async function addKeyed(database: Database, round: number): Promise<number> {
  return timed(database, async (settling) => {
    const keyed = task('copy', { key: `round ${round}` });
    await addTasks(settling, [keyed], { execution: 1, queue: 'queue 0' });
  });
}

async function pause(database: Database): Promise<number> {
  return timed(database, (settling) => pauseQueue(settling, 'queue 1'));
}

async function timed(
  database: Database,
  work: (settling: Settling) => Promise<void>,
): Promise<number> {
  return settleAt(database, async (settling) => {
    const begun = performance.now();
    await work(settling);
    return performance.now() - begun;
  });
}
