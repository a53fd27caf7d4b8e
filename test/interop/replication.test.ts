import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got from 'got';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { makeImage, pushImage } from './support/images.ts';
import { until } from './support/processes.ts';
import { startPortolan, startStockRegistry } from './support/registries.ts';
import { startSlowLink } from './support/slow-link.ts';
import { digestAt, tagsAt } from './support/wire.ts';

const ADMIN = 'admin:interop-admin-password';
const MIB = 1 << 20;

describe('two nodes and a stock registry', { timeout: 300_000 }, () => {
  it('copy by schedule and hand on by event, through a kill, with no blob sent twice', async (test) => {
    await using directory = await temporaryDirectory();
    const folder = (name: string): string => join(directory.path, name);
    await using stock = await startStockRegistry(folder('stock'));
    for (const tag of ['v1', 'v2', 'edge']) {
      await mkdir(folder(tag));
      const image = await makeImage(folder(tag), tag, { ballast: 3 });
      await pushImage(image, `${stock.host}/library/app:${tag}`, { folder: folder(tag) });
    }
    await using link = await startSlowLink(stock.url, { bytesPerSecond: 8 * MIB });
    await using b = await startPortolan(folder('b'), {
      configuration: { projects: { mirror: {} } },
    });
    const onward = {
      adapter: 'distribution',
      url: b.url,
      allowPrivateAddress: true,
      credential: { username: 'admin', password: b.adminPassword },
    };
    const configuration = {
      projects: { mirror: {} },
      endpoints: {
        stock: { adapter: 'distribution', url: link.url, allowPrivateAddress: true },
        b: onward,
      },
      policies: {
        replication: {
          nightly: {
            source: 'stock',
            destinations: [{ endpoint: 'local', namespace: 'mirror' }],
            repositories: ['library/*'],
            tags: ['v*'],
            trigger: { cron: '* * * * *' },
          },
          onward: {
            source: 'local',
            destinations: [{ endpoint: 'b' }],
            repositories: ['mirror/**'],
            trigger: { event: 'push' },
          },
        },
      },
    };
    const a = await startPortolan(folder('a'), { configuration });
    assert.ok(await until(() => link.totals.bytes > 20 * MIB, 90_000), 'the schedule started it');
    const arrived = [...link.blobBytes];
    await a.stop('SIGKILL');

    await using again = await startPortolan(folder('a'), { configuration });

    const repository = 'mirror/library/app';
    const isThere = async (): Promise<boolean> => {
      const tags: readonly string[] = await tagsAt(b.url, repository, ADMIN).catch(() => []);
      return tags.includes('v1') && tags.includes('v2');
    };
    assert.ok(await until(isThere, 90_000), `it ends at b\n${again.log()}`);
    for (const tag of ['v1', 'v2']) {
      const digest = await digestAt(stock.url, 'library/app', tag);
      assert.equal(await digestAt(again.url, repository, tag, ADMIN), digest);
      assert.equal(await digestAt(b.url, repository, tag, ADMIN), digest);
    }
    assert.deepEqual((await tagsAt(b.url, repository, ADMIN)).toSorted(), ['v1', 'v2']);
    const needed = await sizesOf(stock.url, [...link.blobBytes.keys()]);
    const isFinished = ([digest, bytes]: [string, number]): boolean => bytes === needed.get(digest);
    for (const [digest] of arrived.filter(isFinished)) {
      assert.equal(link.blobBytes.get(digest), needed.get(digest), `${digest} came once`);
    }
    const total = [...needed.values()].reduce((sum, bytes) => sum + bytes, 0);
    // A fill writes down once a second what it has: the kill costs what the line carries in that time.
    const most = 1.05 * total + 12 * MIB;
    assert.ok(link.totals.bytes < most, `${link.totals.bytes} bytes for ${total}`);
    test.diagnostic(
      `${link.totals.bytes} bytes went for ${total}, ${arrived.length} blobs had begun`,
    );
  });
});

/** Bytes in each of the blobs. */
async function sizesOf(
  url: string,
  digests: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const sizes = await Promise.all(
    digests.map(async (digest): Promise<[string, number]> => {
      const { headers } = await got.head(`${url}/v2/library/app/blobs/${digest}`);
      return [digest, Number(headers['content-length'])];
    }),
  );
  return new Map(sizes);
}
