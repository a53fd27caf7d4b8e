/**
 * Very many tags that are in sync, and very many tasks. The long form is proof 4 of replication: 100,000 tags in 1,000
 * repositories, and 10,000 tasks of 50 policies.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got, { type Got } from 'got';
import { z } from 'zod';
import { batchesOf } from '../../src/database/batches.ts';
import type { Database } from '../../src/database/database.ts';
import { openSqlite } from '../../src/database/sqlite.ts';
import { claimTasks } from '../../src/jobs/claims.ts';
import { startPortolan } from '../interop/support/registries.ts';
import { addTo, CLAIMING, succeed } from '../jobs/support/by-hand.ts';
import { MiB, START, task } from '../jobs/world.ts';
import { databases } from '../support/databases.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';
import { rounds } from './support/form.ts';
import {
  CONFIG,
  digestOf,
  LAYER,
  manifestAt,
  PROJECT,
  repositoryAt,
  type SourceSize,
  startHarborSource,
  tagAt,
} from './support/harbor-source.ts';

const MOST_GROWTH_MIB = 128;
const REQUESTS_PER_REPOSITORY = 3;
const WORKERS = 16;

const Execution = z.object({ status: z.string(), total: z.int(), bytes: z.int() });

describe('a run over what is in sync already', { timeout: 1_800_000 }, () => {
  it('asks a few questions a repository, and keeps its memory flat', async (t) => {
    const size = { repositories: rounds({ short: 120, long: 1_000 }), tags: 100 };
    await using directory = await temporaryDirectory();
    await using source = await startHarborSource(size);
    const folder = join(directory.path, 'node');
    const configuration = configurationFor(source.url);
    await using first = await startPortolan(folder, { configuration });
    await first[Symbol.asyncDispose]();
    await seed(join(folder, 'data'), size);
    await using node = await startPortolan(folder, { configuration });
    const api = got.extend({
      prefixUrl: `${node.url}/api/portolan/v1/replication`,
      username: 'admin',
      password: node.adminPassword,
      retry: { limit: 0 },
    });
    // What the process has once it has done anything at all.
    await runOnce(api);
    const before = { requests: source.requests, peak: peakResidentMib(node.pid) };
    const begun = performance.now();

    const { status, total, bytes } = await runOnce(api);

    const seconds = (performance.now() - begun) / 1000;
    const asked = source.requests - before.requests;
    const peak = peakResidentMib(node.pid);
    t.diagnostic(
      `${size.repositories * size.tags} tags in ${size.repositories} repositories: ${seconds.toFixed(1)} s, ${asked} requests, ` +
        `${total} tasks, peak resident size ${peak} MiB, ${before.peak} MiB by the first run`,
    );
    assert.deepEqual([status, bytes], ['succeeded', 0]);
    assert.ok(total > size.repositories, 'a task for each repository, and those that list them');
    assert.ok(asked <= REQUESTS_PER_REPOSITORY * size.repositories, `${asked} requests`);
    assert.ok(peak - before.peak < MOST_GROWTH_MIB, `${before.peak} and then ${peak} MiB`);
  });
});

describe('very many tasks of fifty policies', { timeout: 1_800_000 }, () => {
  it('are claimed as fast as few, and each policy gets its share', async (t) => {
    const [engine] = databases;
    assert.ok(engine);
    await using database = await engine.open();
    const each = rounds({ short: 40, long: 200 });
    for (let queue = 0; queue < 50; queue++) {
      const tasks = Array.from({ length: each }, (_, n) =>
        task('copy', { cost: sizeAt(queue, n), hosts: ['source', `host-${queue % 5}`] }),
      );
      await addTo(database, `queue ${queue}`, tasks);
    }

    const { claimMs, halfway } = await drain(database, 50 * each);

    const tenth = Math.floor(claimMs.length / 10);
    // The quickest of many: what else the machine does takes time of the others.
    const full = Math.min(...claimMs.slice(0, tenth));
    const empty = Math.min(...claimMs.slice(-2 * tenth, -tenth));
    const [least, most] = [Math.min(...halfway.values()), Math.max(...halfway.values())];
    t.diagnostic(
      `${50 * each} tasks: a claim of ${WORKERS} takes ${full.toFixed(2)} ms at first, ${empty.toFixed(2)} ms near the end; ` +
        `halfway the policies have ${(least / MiB).toFixed(0)} to ${(most / MiB).toFixed(0)} MiB`,
    );
    assert.ok(full < 3 * empty, `${full} and ${empty} ms`);
    assert.equal(halfway.size, 50);
    assert.ok(most - least <= 2 * 8 * MiB, `${least} and ${most} bytes`);
  });
});

function configurationFor(url: string): Record<string, unknown> {
  return {
    seed: false,
    projects: { mirror: {} },
    endpoints: { source: { adapter: 'harbor', url, allowPrivateAddress: true } },
    policies: {
      replication: {
        all: {
          source: 'source',
          destinations: [{ endpoint: 'local', namespace: 'mirror' }],
          repositories: [`${PROJECT}/**`],
        },
      },
    },
  };
}

async function runOnce(api: Got): Promise<z.infer<typeof Execution>> {
  const { headers } = await api.post('policies/1/start');
  const path = `executions/${String(headers.location).split('/').at(-1)}`;
  const execution = async () => Execution.parse(JSON.parse((await api.get(path)).body));
  await until(async () => (await execution()).status !== 'running', { withinMs: 1_200_000 });
  return execution();
}

/** What runs before have brought, as rows. */
async function seed(folder: string, { repositories, tags }: SourceSize): Promise<void> {
  await using database = await openSqlite({ file: join(folder, 'portolan.db') });
  const { id: project } = await database.read
    .selectFrom('projects')
    .select('id')
    .where('name', '=', 'mirror')
    .executeTakeFirstOrThrow();
  await database.write((transaction) =>
    transaction
      .insertInto('blobs')
      .values(
        [CONFIG, LAYER].map((text) => ({
          digest: digestOf(text),
          size: text.length,
          state: 'present' as const,
          accessed_at: START,
        })),
      )
      .execute(),
  );
  for (let index = 0; index < repositories; index++) {
    await database.write(async (transaction) => {
      const { id: repository } = await transaction
        .insertInto('repositories')
        .values({
          project,
          name: `mirror/${PROJECT}/${repositoryAt(index)}`,
          pull_count: 0,
          created_at: START,
          updated_at: START,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      const links = [CONFIG, LAYER].map((text) => ({
        repository,
        digest: digestOf(text),
        ownership: 'replica' as const,
        linked_at: START,
      }));
      await transaction.insertInto('blob_links').values(links).execute();
      const texts = Array.from({ length: tags }, (_, tag) => manifestAt(index, tag));
      await seedManifests(transaction, repository, texts);
    });
  }
}

async function seedManifests(
  transaction: Parameters<Parameters<Database['write']>[0]>[0],
  repository: number,
  texts: readonly string[],
): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  for (const batch of batchesOf([...texts.entries()])) {
    await transaction
      .insertInto('manifest_bytes')
      .values(batch.map(([, text]) => ({ digest: digestOf(text), bytes: Buffer.from(text) })))
      .execute();
    const rows = await transaction
      .insertInto('manifests')
      .values(
        batch.map(([, text]) => ({
          repository,
          digest: digestOf(text),
          media_type: mediaType,
          ownership: 'replica' as const,
          complete: 1 as const,
          size: text.length,
          pushed_at: START,
          pushed_by: 'replication:all',
        })),
      )
      .returning('id')
      .execute();
    await transaction
      .insertInto('manifest_references')
      .values(
        rows.flatMap(({ id: manifest }) =>
          ([CONFIG, LAYER] as const).map((text, position) => ({
            manifest,
            position,
            kind: position === 0 ? ('config' as const) : ('layer' as const),
            digest: digestOf(text),
            media_type: 'application/octet-stream',
            size: text.length,
            optional: 0 as const,
          })),
        ),
      )
      .execute();
    await transaction
      .insertInto('tags')
      .values(
        batch.map(([tag, text]) => ({
          repository,
          name: tagAt(tag),
          digest: digestOf(text),
          ownership: 'replica' as const,
          pushed_at: START,
        })),
      )
      .execute();
  }
}

interface Drained {
  /** Milliseconds of each claim. */
  readonly claimMs: readonly number[];
  /** Bytes by queue when half of the tasks were done. */
  readonly halfway: ReadonlyMap<string, number>;
}

/** Claims and ends all tasks, some at a time. */
async function drain(database: Database, total: number): Promise<Drained> {
  const claimMs: number[] = [];
  const halfway = new Map<string, number>();
  for (let done = 0; done < total; ) {
    const claimed = await database.write(async (transaction) => {
      const begun = performance.now();
      const tasks = await claimTasks(transaction, { ...CLAIMING, most: WORKERS });
      claimMs.push(performance.now() - begun);
      return tasks;
    });
    assert.ok(claimed.length > 0);
    for (const each of claimed) {
      if (done < total / 2) halfway.set(each.queue, (halfway.get(each.queue) ?? 0) + each.cost);
      done += 1;
      await succeed(database, each, each.cost);
    }
  }
  return { claimMs, halfway };
}

function sizeAt(queue: number, n: number): number {
  return (1 + ((n * 7 + queue) % 8)) * MiB;
}

function peakResidentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024);
}
