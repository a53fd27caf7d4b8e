import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClaimedTask, Failure, NewTask, TaskHandlers } from '../../src/jobs/task.ts';
import { jobHostChanged } from '../../src/telemetry/channels.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { claim, fail, succeed } from './support/by-hand.ts';
import {
  copies,
  enqueue,
  type JobsWorld,
  knownHost,
  openJobs,
  START,
  signal,
  Thrown,
  task,
} from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

for (const engine of databases) {
  describe(`a host on ${engine.name}`, () => {
    for (const kind of ['transient', 'away'] as const) {
      it(`that no task says it loads costs one that fails there (${kind}) no more than that try`, async () => {
        await using world = await openJobs(engine);
        const cdn = { reason: '503', host: 'cdn' };
        const failure = kind === 'away' ? { kind, ...cdn, retryAfterMs: 5_000 } : { kind, ...cdn };

        const ends: string[] = [];
        for (let week = 0; week < 6; week++) {
          await enqueue(world, [task('copy', { hosts: ['hub'] })]);
          ends.push(await failNow(world, await first(world), failure));
          world.clock.at += MINUTE;
          await succeed(world.database, await first(world), 0, world.clock.at);
          world.clock.at += 7 * DAY;
        }

        const end = kind === 'away' ? 'throttled' : 'delayed';
        assert.deepEqual(
          ends,
          Array.from({ length: 6 }, () => end),
        );
      });
    }

    it('that wants to be left alone is told of once, however many tasks were under way, and again where it is for longer', async () => {
      await using world = await openJobs(engine);
      const told: unknown[] = [];
      using _ = jobHostChanged.subscribe(({ state, until: end }) => told.push([state, end]));
      await enqueue(world, ofHub(8));
      const held = await claimNow(world, 8);

      const waits = [MINUTE, MINUTE, MINUTE + 300, MINUTE, MINUTE, 5_000, HOUR, HOUR];
      for (const [index, retryAfterMs] of waits.entries()) {
        world.clock.at += 100;
        await failNow(world, held[index], { kind: 'throttled', ...HUB, retryAfterMs });
      }

      assert.deepEqual(told, [
        ['blocked', START + 100 + MINUTE],
        ['blocked', START + 700 + HOUR],
      ]);
    });

    it('that wants to be asked again at once is, after a second', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(2));
      await failNow(world, await first(world), { kind: 'throttled', ...HUB, retryAfterMs: 0 });

      const claimed = await claimedAround(world, START + 1_000);

      assert.deepEqual(claimed, [0, 2]);
    });

    it('that was blocked while a clock was wrong is asked again once the clock is right, and left alone when it says so', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(3));
      world.clock.at = START + 365 * DAY;
      await failNow(world, await first(world), { kind: 'throttled', ...HUB, retryAfterMs: MINUTE });

      world.clock.at = START;
      await failNow(world, await first(world), { kind: 'throttled', ...HUB, retryAfterMs: MINUTE });
      const claimed = await claimedAround(world, START + MINUTE);

      assert.deepEqual(claimed, [0, 3]);
    });

    it('that began to fail, or to put off a task, while a clock was wrong has done so since now', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(1));
      world.clock.at = START + 365 * DAY;
      await failNow(world, await first(world), { kind: 'away', ...HUB, retryAfterMs: MINUTE });

      world.clock.at = START;
      await world.database.write((transaction) =>
        transaction.updateTable('tasks').set({ run_at: START }).execute(),
      );
      await failNow(world, await first(world), { kind: 'away', ...HUB, retryAfterMs: MINUTE });

      const { away_since, run_at } = await world.database.read
        .selectFrom('tasks')
        .select(['away_since', 'run_at'])
        .executeTakeFirstOrThrow();
      const hub = await knownHost(world, 'hub');
      assert.deepEqual([away_since, run_at, hub?.failing_since], [START, START + MINUTE, START]);
    });

    it('that put off a task while a clock was wrong is asked again once the clock is right', async () => {
      let asked = 0;
      const handlers: TaskHandlers = {
        copy: async () => {
          asked += 1;
          if (asked === 1) throw new Thrown({ kind: 'away', ...HUB, retryAfterMs: MINUTE });
          return undefined;
        },
      };
      await using world = await openJobs(engine, { handlers, limits: { leaseMs: 300 } });
      world.clock.at = START + 365 * DAY;
      const id = await enqueue(world, ofHub(1));
      world.jobs.start();
      await until(async () => (await world.jobs.tasks.get(1))?.state === 'delayed');

      world.clock.at = START;
      const { status } = await world.jobs.ended(id, { signal });

      assert.equal(status, 'succeeded');
    });

    it('that says of one thing that it is away for an hour, and gives all others, keeps nobody from those', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, [task('broken', { hosts: ['hub'] }), ...ofHub(99)]);

      for (let good = 0; good < 99; ) {
        const held = await claimNow(world, 8);
        world.clock.at += 1_000;
        for (const each of held)
          if (each.kind === 'broken')
            await failNow(world, each, { kind: 'away', ...HUB, retryAfterMs: HOUR });
          else {
            await succeed(world.database, each, 0, world.clock.at);
            good += 1;
          }
      }

      assert.ok(world.clock.at - START < MINUTE, `${world.clock.at - START} ms`);
    });

    const sayings = [
      { of: 'hub', waits: [5, 5, 5] },
      { of: 'cdn', waits: [5, 10, 20] },
    ];
    for (const { of, waits } of sayings) {
      it(`that others found away (${of}) is asked again soon, and ever later by one that does not say it loads it`, async () => {
        await using world = await openJobs(engine);
        await enqueue(world, ofHub(1));
        const throttled = { kind: 'throttled', reason: '503', host: of, isHearsay: true } as const;
        await failNow(world, await first(world), { ...throttled, retryAfterMs: 5_000 });

        for (const wait of waits) {
          world.clock.at += wait * 1_000 - 1;
          assert.deepEqual(await claimNow(world, 1), []);
          world.clock.at += 1;
          const held = await first(world);
          assert.equal(held.attempts, 1);
          await failNow(world, held, { ...throttled, retryAfterMs: 5_000 });
        }
      });
    }

    it('that put a task off before the weekend, on which nobody asked, fails it no sooner than another', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(1));
      const away: Failure = { kind: 'away', ...HUB, retryAfterMs: HOUR };
      await failNow(world, await first(world), away);

      world.clock.at += 2 * DAY;
      const end = await failNow(world, await first(world), away);

      assert.equal(end, 'throttled');
    });

    it('that puts a task off each night is given up when those nights are a day', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(1));
      const away: Failure = { kind: 'away', ...HUB, retryAfterMs: HOUR };
      const ends: string[] = [];

      while (ends.at(-1) !== 'failed' && ends.length < 200) {
        for (let tries = 0; tries < 4 && ends.at(-1) !== 'failed'; tries++) {
          ends.push(await failNow(world, await first(world), away));
          world.clock.at += HOUR + 15 * MINUTE;
        }
        world.clock.at += DAY - 5 * HOUR;
      }

      // Of a night, an hour and a quarter at a time, three or four such waits.
      assert.equal(ends.at(-1), 'failed');
      assert.ok(ends.length >= 20 && ends.length <= 28, `${ends.length} tries`);
    });

    it('that failed before the weekend, on which nobody asked, is failing since after it', async () => {
      await using world = await openJobs(engine);
      await enqueue(world, ofHub(9));
      const down: Failure = { kind: 'transient', ...HUB };
      for (const each of await claimNow(world, 4)) await failNow(world, each, down);

      world.clock.at += 2 * DAY;
      const ends: string[] = [];
      for (const each of await claimNow(world, 5)) ends.push(await failNow(world, each, down));

      assert.deepEqual(ends, ['delayed', 'delayed', 'delayed', 'delayed', 'delayed']);
      const hub = await knownHost(world, 'hub');
      assert.deepEqual([hub?.failures, hub?.failing_since], [5, world.clock.at]);
    });
  });
}

const HUB = { reason: 'not now', host: 'hub' };

function ofHub(count: number): readonly NewTask[] {
  return copies(count, { hosts: ['hub'] });
}

const claimNow = ({ database, clock }: JobsWorld, most: number) =>
  claim(database, most, { now: clock.at });

/** How many tasks may begin in the millisecond before that time, and how many then. */
async function claimedAround(world: JobsWorld, at: number): Promise<readonly [number, number]> {
  world.clock.at = at - 1;
  const { length: early } = await claimNow(world, 9);
  world.clock.at = at;
  const { length: late } = await claimNow(world, 9);
  return [early, late];
}

/** The task that is next. */
async function first(world: JobsWorld): Promise<ClaimedTask> {
  const [next] = await claimNow(world, 1);
  assert.ok(next, 'none may begin');
  return next;
}

async function failNow(
  { database, clock }: JobsWorld,
  held: ClaimedTask | undefined,
  failure: Failure,
) {
  assert.ok(held);
  return fail(database, held, failure, clock.at);
}
