import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClock, type Schedule } from '../../src/jobs/clock.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';

const EACH_SECOND: Schedule = {
  queue: 'nightly',
  cron: '* * * * * *',
  expressions: ['* * * * * *'],
  timeZone: 'UTC',
};
const NEW_YEAR: Schedule = { ...EACH_SECOND, cron: '0 0 0 1 1 *', expressions: ['0 0 0 1 1 *'] };

for (const engine of databases) {
  describe(`the clock on ${engine.name}`, () => {
    it('says when it is time, to the second', async () => {
      await using database = await engine.open();
      const due: [string, number][] = [];
      await using clock = createClock({
        database,
        now: Date.now,
        due: async (queue, at) => void due.push([queue, at]),
      });

      await clock.set([EACH_SECOND]);

      await until(() => due.length >= 2, { withinMs: 10_000 });
      const [first, second] = due;
      assert.deepEqual([first?.[0], (first?.[1] ?? 1) % 1000], ['nightly', 0]);
      assert.equal((second?.[1] ?? 0) - (first?.[1] ?? 0), 1000);
    });

    it('is silent about what is no schedule any more', async () => {
      await using database = await engine.open();
      const due: string[] = [];
      await using clock = createClock({
        database,
        now: Date.now,
        due: async (queue) => void due.push(queue),
      });
      await clock.set([EACH_SECOND, { ...EACH_SECOND, queue: 'other' }]);
      await clock.set([{ ...EACH_SECOND, queue: 'other' }]);
      due.length = 0;

      await until(() => due.length >= 2, { withinMs: 10_000 });

      assert.deepEqual([...new Set(due)], ['other']);
    });

    it('makes up for what came while nobody was here, once', async () => {
      await using database = await engine.open();
      const due: number[] = [];
      const time = { at: Date.UTC(2020, 11, 30) };
      const options = {
        database,
        now: () => time.at,
        due: async (_queue: string, at: number) => void due.push(at),
      };
      await createClockOnce(options, NEW_YEAR);
      const promised = await nextOf(database);
      assert.deepEqual(due, []);

      time.at = promised + 1;
      await createClockOnce(options, NEW_YEAR);

      assert.deepEqual(due, [promised]);
    });

    it('begins anew with another schedule, whenever the former would have come', async () => {
      await using database = await engine.open();
      const due: number[] = [];
      const time = { at: Date.now() };
      const options = {
        database,
        now: () => time.at,
        due: async (_queue: string, at: number) => void due.push(at),
      };
      await createClockOnce(options, NEW_YEAR);

      time.at = (await nextOf(database)) + 1;
      await createClockOnce(options, {
        ...NEW_YEAR,
        cron: '0 0 0 1 2 *',
        expressions: ['0 0 0 1 2 *'],
      });

      assert.deepEqual(due, []);
    });

    it('makes up for what came while the process was held up, once', async (t) => {
      await using database = await engine.open();
      const due: number[] = [];
      const began = Date.UTC(2026, 10, 21);
      t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: began });
      await using clock = createClock({
        database,
        now: () => Date.now(),
        due: async (_queue, at) => void due.push(at),
      });
      await clock.set([{ ...EACH_SECOND, cron: '0 * * * * *', expressions: ['0 * * * * *'] }]);

      t.mock.timers.tick(200_000);
      await clock.set([]);

      assert.deepEqual(due, [began + 60_000]);
    });

    it('goes on after what it started has failed', async () => {
      await using database = await engine.open();
      let times = 0;
      await using clock = createClock({
        database,
        now: Date.now,
        async due() {
          times += 1;
          throw new Error('not now');
        },
      });

      await clock.set([EACH_SECOND]);

      await until(() => times >= 2, { withinMs: 10_000 });
    });
  });
}

async function createClockOnce(
  options: Parameters<typeof createClock>[0],
  schedule: Schedule,
): Promise<void> {
  await using clock = createClock(options);
  await clock.set([schedule]);
}

async function nextOf(database: Parameters<typeof createClock>[0]['database']): Promise<number> {
  const row = await database.read
    .selectFrom('schedules')
    .select('next_at')
    .executeTakeFirstOrThrow();
  return row.next_at;
}
