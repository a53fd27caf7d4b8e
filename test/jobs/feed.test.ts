import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appendChanges, type Change } from '../../src/catalog/change-feed.ts';
import type { Database } from '../../src/database/database.ts';
import {
  type ArrivalConsumer,
  type ChangeConsumer,
  type Feed,
  type FeedOptions,
  startFeed,
} from '../../src/jobs/feed.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { maintenanceFailed } from '../../src/telemetry/channels.ts';
import { rows } from '../database/rows.ts';
import { databases } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { START } from './world.ts';

const digest = digestOf(Buffer.from('content'));

for (const engine of databases) {
  describe(`a consumer of changes on ${engine.name}`, () => {
    it('gets what happens from then on, in order', async () => {
      await using database = await engine.open();
      await push(database, 'before');
      const { consumer, seen } = recording();
      await using feed = follow(database, { changes: [consumer] });

      await followed(database);
      await push(database, 'a', 'b');
      await push(database, 'c');

      await until(() => seen.length === 3);
      assert.deepEqual(seen, ['a', 'b', 'c']);
      await until(async () => (await feed.lag('policies')).items === 0);
      assert.deepEqual(await feed.lag('policies'), { items: 0, since: undefined });
      await assert.rejects(feed.lag('nobody'), RangeError);
    });

    it('goes on where it was, some hundreds at a time', async () => {
      await using database = await engine.open();
      const { consumer, seen, sizes } = recording();
      await followOnce(database, { changes: [consumer] });
      const tags = Array.from({ length: 1_100 }, (_, n) => `tag-${n}`);
      await push(database, ...tags);

      await using _ = follow(database, { changes: [consumer] });
      await until(() => seen.length === tags.length);

      assert.deepEqual(seen, tags);
      assert.deepEqual(sizes, [500, 500, 100]);
    });

    it('gets them again where what it made of them could not be written, and holds up no other', async () => {
      await using database = await engine.open();
      const failures: string[] = [];
      using _ = maintenanceFailed.subscribe(({ work }) => failures.push(work));
      let isBroken = true;
      const { consumer, seen } = recording(() => {
        if (isBroken) throw new Error('no');
      });
      let others = 0;
      const other: ChangeConsumer = {
        name: 'other',
        plan: async (items) => {
          others += items.length;
          return undefined;
        },
      };
      await using feed = follow(database, { changes: [consumer, other] });
      await until(async () => (await places(database)) === 2);

      await push(database, 'a');
      await until(() => others === 1 && failures.length > 0);
      assert.deepEqual(await feed.lag('policies'), { items: 1, since: START });
      assert.deepEqual(await settings(database), []);
      isBroken = false;
      await until(async () => (await feed.lag('policies')).items === 0);

      assert.equal(failures[0], 'the feed of policies');
      assert.deepEqual([...new Set(seen)], ['a']);
      assert.deepEqual(await settings(database), ['a']);
    });

    it('is told when the feed begins another epoch, after what was left of the old one', async () => {
      await using database = await engine.open();
      const { consumer, seen } = recording();
      await followOnce(database, { changes: [consumer] });
      await push(database, 'old');
      await beginEpoch(database, START);

      await using _ = follow(database, { changes: [consumer] });
      await until(() => seen.length === 2);
      await push(database, 'new');
      await until(() => seen.length === 3);

      assert.deepEqual(seen, ['old', 'anew', 'new']);
    });

    it('is told of each epoch before what happened in it', async () => {
      await using database = await engine.open();
      const { consumer, seen } = recording();
      await followOnce(database, { changes: [consumer] });
      await push(database, 'old');
      for (const later of [0, 1]) {
        await beginEpoch(database, START + later);
        await push(database, `in ${later}`);
      }

      await using _ = follow(database, { changes: [consumer] });
      await until(() => seen.length === 5);

      assert.deepEqual(seen, ['old', 'anew', 'in 0', 'anew', 'in 1']);
    });

    it('is not told what other nodes did', async () => {
      await using database = await engine.open();
      const { consumer, seen } = recording();
      await using _ = follow(database, { changes: [consumer] });
      await followed(database);

      await database.write(async (transaction) => {
        await transaction
          .insertInto('changes')
          .values({ ...rows.changes, origin: 'other', seq: 99, tag: 'theirs' })
          .execute();
      });
      await push(database, 'ours');
      await until(() => seen.length > 0);

      assert.deepEqual(seen, ['ours']);
    });
  });

  describe(`a consumer of arrivals on ${engine.name}`, () => {
    it('gets what arrives from then on, and is told when some were forgotten', async () => {
      await using database = await engine.open();
      await database.write(async (transaction) => {
        await transaction.insertInto('projects').values(rows.projects).execute();
      });
      const { consumer, seen } = recording();
      await followOnce(database, { arrivals: [consumer] });
      await arrive(database, 'a', 'b');
      {
        await using _ = follow(database, { arrivals: [consumer] });
        await until(() => seen.length === 2);
      }
      await arrive(database, 'c', 'd');
      await database.write(async (transaction) => {
        await transaction.deleteFrom('arrivals').where('tag', '=', 'c').execute();
      });

      await using feed = follow(database, { arrivals: [consumer] });
      await until(() => seen.length === 4);
      await until(async () => (await feed.lag('policies')).items === 0);

      assert.deepEqual(seen, ['a', 'b', 'anew', 'd']);
    });
  });
}

/** Remembers the tags that it was given, and keeps each as a setting where `deed` does not throw. */
function recording(deed: () => void = () => undefined) {
  const seen: string[] = [];
  const sizes: number[] = [];
  const consumer: ChangeConsumer & ArrivalConsumer = {
    name: 'policies',
    plan: async (items: readonly { readonly tag: string | null }[]) => {
      sizes.push(items.length);
      const tags = items.map(({ tag }) => tag ?? '');
      seen.push(...tags);
      return async (transaction) => {
        for (const name of tags) {
          const value = { value: 'true', updated_at: START };
          await transaction
            .insertInto('settings')
            .values({ name, ...value })
            .onConflict((conflict) => conflict.column('name').doUpdateSet(value))
            .execute();
        }
        deed();
      };
    },
    planAnew: async () => {
      seen.push('anew');
      return undefined;
    },
  };
  return { seen, sizes, consumer };
}

function follow(
  database: Database,
  { changes = [], arrivals = [] }: Partial<Pick<FeedOptions, 'changes' | 'arrivals'>>,
): Feed {
  return startFeed({ database, changes, arrivals, pollMs: 10 });
}

/** Has the consumer begin, and be gone. */
async function followOnce(
  database: Database,
  consumers: Parameters<typeof follow>[1],
): Promise<void> {
  await using _ = follow(database, consumers);
  await followed(database);
}

async function followed(database: Database): Promise<void> {
  await until(async () => (await places(database)) === 1);
}

async function places({ read }: Database): Promise<number> {
  return (await read.selectFrom('feed_cursors').select('seq').execute()).length;
}

async function settings({ read }: Database): Promise<readonly string[]> {
  return (await read.selectFrom('settings').select('name').execute()).map(({ name }) => name);
}

/** As a start from a copy does. */
async function beginEpoch(database: Database, epoch: number): Promise<void> {
  await database.write(async (transaction) => {
    await transaction.updateTable('instance').set({ feed_epoch: epoch }).execute();
  });
}

async function push(database: Database, ...tags: readonly string[]): Promise<void> {
  const changes = tags.map(
    (tag): Change => ({
      project: 'team',
      repository: 'team/app',
      kind: 'tag',
      tag,
      digest,
      actor: 'ada',
      cause: 'push',
    }),
  );
  await database.write((transaction) => appendChanges(transaction, changes, START));
}

async function arrive(database: Database, ...tags: readonly string[]): Promise<void> {
  await database.write(async (transaction) => {
    for (const tag of tags) {
      await transaction
        .insertInto('arrivals')
        .values({ project: 1, repository: 'ghcr.io/app', tag, digest, at: START })
        .execute();
    }
  });
}
