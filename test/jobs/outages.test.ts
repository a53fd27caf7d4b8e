import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BREAKS_AFTER } from '../../src/jobs/hosts.ts';
import type { TaskHandlers } from '../../src/jobs/task.ts';
import { jobHostChanged } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { hostFailed } from './support/by-hand.ts';
import {
  copies,
  enqueue,
  type JobsWorld,
  openJobs,
  running,
  START,
  signal,
  Thrown,
  task,
} from './world.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** How long a host that says for the first time that it is away keeps from it who did not ask. */
const SOON = 5_000;

for (const engine of databases) {
  describe(`a host that does not answer on ${engine.name}`, () => {
    it('costs a task that waits for it no attempt, until it has been so for a day', async () => {
      await using world = await openJobs(engine, { handlers: dead });
      world.jobs.start();
      const id = await enqueue(world, [task('copy', { hosts: ['hub'] })]);

      const attempts: number[] = [];
      for (let tries = 1; (await statusOf(world, id)) === 'running'; tries++) {
        const { attempts: counted, runAt = 0 } = await afterTries(world, tries);
        attempts.push(counted);
        world.clock.at = Math.max(world.clock.at, runAt);
      }

      const lasted = world.clock.at - START;
      assert.ok(lasted >= DAY && lasted < DAY + 20 * MINUTE, `${lasted / MINUTE} min`);
      assert.deepEqual(attempts.slice(0, 6), [1, 2, 3, 4, 4, 4]);
      assert.equal(attempts.at(-2), 4);
      const failed = await world.jobs.tasks.get(1);
      assert.equal(failed?.failure, 'transient');
      assert.equal(
        failed?.reason,
        'nothing went well at hub since 2026-11-21T00:00:00.000Z: refused',
      );
    });

    it('fails all that waits for it by then, and what comes later at once', async () => {
      await using world = await openJobs(engine, { handlers: dead, limits: { workers: 1 } });
      const tasks = Array.from({ length: 20 }, (_, n) =>
        task('copy', { hosts: ['hub', `${n % 2}`] }),
      );
      const id = await enqueue(world, tasks);
      await fails(world, { since: START - DAY });
      world.jobs.start();

      const many = await world.jobs.ended(id, { signal });
      const later = await enqueue(world, [task('copy', { hosts: ['hub'] })]);
      const one = await world.jobs.ended(later, { signal });

      assert.deepEqual([many.failed, one.failed], [20, 1]);
    });

    it('fails what waits for it by then at once, though it says for how long to leave it alone', async () => {
      const handlers: TaskHandlers = {
        copy: async () => {
          const away = { kind: 'away', reason: '503', host: 'hub' } as const;
          throw new Thrown({ ...away, retryAfterMs: 60 * MINUTE });
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { workers: 1 } });
      // More than fail by one write.
      const id = await enqueue(world, copies(510, { hosts: ['hub'] }));
      await fails(world, { since: START - DAY });
      world.jobs.start();

      const { failed } = await world.jobs.ended(id, { signal });

      assert.equal(failed, 510);
    });

    it('is left alone for twice as long after each try, and not after each task that was under way', async () => {
      await using world = await openJobs(engine, { handlers: dead });
      const openMs: number[] = [];
      using _ = jobHostChanged.subscribe((change) => {
        if (change.state === 'failing') openMs.push((change.until ?? 0) - world.clock.at);
      });
      await enqueue(world, copies(8, { hosts: ['hub'] }));
      world.jobs.start();

      for (const tries of [1, 2, 3]) {
        await until(async () => openMs.length === tries && (await running(world)) === 0);
        world.clock.at += openMs.at(-1) ?? 0;
      }

      assert.deepEqual(openMs.slice(0, 3), [30_000, 60_000, 120_000]);
    });

    it('is next asked by another task than by the one that found out', async () => {
      const asked: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload }) => {
          asked.push(payload);
          if (payload !== 'poisoned') return undefined;
          throw new Thrown({ kind: 'transient', reason: 'refused', host: 'hub' });
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { workers: 1 } });
      await enqueue(world, [task('copy', { hosts: ['hub'], payload: 'poisoned' })]);
      const other = await enqueue(world, [task('copy', { hosts: ['hub'], payload: 'sound' })]);
      await fails(world, { since: START });
      world.jobs.start();
      await until(async () => asked.length === 1 && (await running(world)) === 0);

      world.clock.at += 30_000;
      await world.jobs.ended(other, { signal });

      assert.deepEqual(asked, ['poisoned', 'sound']);
    });

    it('that says when it is back is asked again soon, since it may mean one thing alone, and then when it said', async () => {
      const seen: unknown[] = [];
      const handlers: TaskHandlers = {
        copy: async ({ payload, attempt }) => {
          seen.push([payload, attempt]);
          if (seen.length > 3 || payload === 'else') return undefined;
          throw new Thrown({ kind: 'away', reason: '503', host: 'hub', retryAfterMs: MINUTE });
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { workers: 1 } });
      const blocks: (number | undefined)[] = [];
      using _ = jobHostChanged.subscribe(({ until: end }) => blocks.push(end));
      const id = await enqueue(world, [
        task('copy', { payload: 'first', hosts: ['hub'], priority: 1 }),
        task('copy', { payload: 'second', hosts: ['hub'] }),
      ]);
      world.jobs.start();
      await until(async () => blocks.length === 1 && (await running(world)) === 0);
      const elsewhere = await enqueue(world, [task('copy', { payload: 'else', hosts: ['quay'] })]);
      await world.jobs.ended(elsewhere, { signal });
      world.clock.at += SOON;
      await until(async () => blocks.length === 2 && (await running(world)) === 0);
      assert.deepEqual(seen, [
        ['first', 1],
        ['else', 1],
        ['second', 1],
      ]);

      world.clock.at += MINUTE;
      await world.jobs.ended(id, { signal });

      assert.deepEqual(new Set(seen.slice(3).map(String)), new Set(['first,1', 'second,1']));
      assert.deepEqual(blocks, [START + SOON, START + SOON + MINUTE]);
    });

    it('that puts off one task ever again, and answers all others, fails that one after a day', async () => {
      let others = 0;
      const handlers: TaskHandlers = {
        copy: async ({ payload }) => {
          if (payload !== 'broken') {
            others += 1;
            return undefined;
          }
          throw new Thrown({ kind: 'away', reason: '503', host: 'hub', retryAfterMs: MINUTE });
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [task('copy', { hosts: ['hub'], payload: 'broken' })]);

      const waits: number[] = [];
      for (let tries = 1; (await statusOf(world, id)) === 'running'; tries++) {
        const { attempts, runAt = 0, state } = await afterTries(world, tries);
        if (state === 'failed') break;
        assert.equal(attempts, 0);
        waits.push((runAt - world.clock.at) / MINUTE);
        world.clock.at += MINUTE;
        await world.jobs.ended(await enqueue(world, [task('copy', { hosts: ['hub'] })]), {
          signal,
        });
        assert.equal(others, tries);
        world.clock.at = runAt;
      }

      const lasted = world.clock.at - START;
      assert.ok(lasted >= DAY && lasted < DAY + 20 * MINUTE, `${lasted / MINUTE} min`);
      // The others have it for as long again, 15 minutes at most.
      assert.deepEqual(waits.slice(0, 7), [1, 2, 4, 8, 16, 16, 16]);
      const failed = await world.jobs.tasks.get(1);
      assert.deepEqual(
        [failed?.failure, failed?.reason],
        ['transient', 'put off since 2026-11-21T00:00:00.000Z: 503'],
      );
    });

    it('that asks to be left alone for ever is asked again after an hour', async () => {
      let asked = 0;
      const handlers: TaskHandlers = {
        copy: async () => {
          asked += 1;
          if (asked > 1) return undefined;
          const throttled = { kind: 'throttled', reason: '429', host: 'hub' } as const;
          throw new Thrown({ ...throttled, retryAfterMs: 365 * DAY });
        },
      };
      await using world = await openJobs(engine, { handlers });
      world.jobs.start();
      const id = await enqueue(world, [task('copy', { hosts: ['hub'] })]);
      await until(async () => asked === 1 && (await running(world)) === 0);

      world.clock.at += 60 * MINUTE;
      const { status } = await world.jobs.ended(id, { signal });

      assert.equal(status, 'succeeded');
    });
  });
}

const dead: TaskHandlers = {
  copy: async () => {
    throw new Thrown({ kind: 'transient', reason: 'refused', host: 'hub' });
  },
};

async function statusOf({ jobs }: JobsWorld, execution: number) {
  return (await jobs.executions.get(execution))?.status;
}

/** The first task, when it waits for the next try, or has failed. */
async function afterTries({ jobs, database }: JobsWorld, tries: number) {
  await until(async () => {
    const { epoch, state } = await database.read
      .selectFrom('tasks')
      .select(['epoch', 'state'])
      .where('id', '=', 1)
      .executeTakeFirstOrThrow();
    return epoch >= tries && state !== 'running';
  });
  const tried = await jobs.tasks.get(1);
  assert.ok(tried);
  return tried;
}

/** The hub has failed four times in a row, so that the next time is once too often. */
async function fails({ database }: JobsWorld, { since }: { since: number }): Promise<void> {
  await hostFailed(database, 'hub', { failures: BREAKS_AFTER - 1, since });
}
