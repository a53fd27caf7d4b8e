import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../src/database/database.ts';
import { claimTasks } from '../../src/jobs/claims.ts';
import { databases } from '../support/databases.ts';
import { addTo, CLAIMING } from './virtual-workers.ts';
import { MiB, task } from './world.ts';

const QUEUES = 50;
const CLAIMS = 40;

describe('a claim', () => {
  it('takes as long with 20,000 tasks of fifty queues as with 500', async () => {
    const [engine] = databases;
    assert.ok(engine);
    await using few = await engine.open();
    await using many = await engine.open();
    await fill(few, 10);
    await fill(many, 400);

    const quickest = { few: Number.POSITIVE_INFINITY, many: Number.POSITIVE_INFINITY };
    for (let claim = 0; claim < CLAIMS; claim++) {
      quickest.few = Math.min(quickest.few, await claimMs(few));
      quickest.many = Math.min(quickest.many, await claimMs(many));
    }

    // A scan of them would take forty times as long.
    assert.ok(quickest.many < 3 * quickest.few, `${quickest.many} and ${quickest.few} ms`);
  });
});

async function fill(database: Database, each: number): Promise<void> {
  for (let queue = 0; queue < QUEUES; queue++) {
    const tasks = Array.from({ length: each }, (_, n) =>
      task('copy', { cost: MiB, hosts: ['source', `host-${n % 3}`], priority: n % 2 }),
    );
    await addTo(database, `queue ${queue}`, tasks);
  }
}

async function claimMs(database: Database): Promise<number> {
  let took = 0;
  await database.write(async (transaction) => {
    const begun = performance.now();
    const claimed = await claimTasks(transaction, { ...CLAIMING, most: 1 });
    took = performance.now() - begun;
    assert.equal(claimed.length, 1);
  });
  return took;
}
