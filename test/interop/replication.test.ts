import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got from 'got';
import { z } from 'zod';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { makeImage, pushImage } from './support/images.ts';
import { until } from './support/processes.ts';
import { startPortolan, startStockRegistry } from './support/registries.ts';
import { startSlowLink } from './support/slow-link.ts';
import { basic, digestAt, tagsAt } from './support/wire.ts';

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
    await using toB = await startSlowLink(b.url);
    const onward = {
      adapter: 'distribution',
      url: toB.url,
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
    const needed = await sizesOf(stock.url, ['v1', 'v2']);
    const layers = [...needed].filter(([, bytes]) => bytes > 8 * MIB).map(([digest]) => digest);
    assert.equal(layers.length, 6);
    const a = await startPortolan(folder('a'), { configuration });
    let arrived: readonly string[] = [];
    const hasLayers = async (): Promise<boolean> => {
      arrived = await heldBy(a.url, 'mirror/library/app', layers);
      return arrived.length > 0;
    };
    assert.ok(await until(hasLayers, 90_000), 'the schedule started it');
    await a.stop('SIGKILL');
    assert.ok(arrived.length < layers.length, 'in the middle');

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
    for (const digest of arrived) {
      assert.equal(link.blobBytes.get(digest), needed.get(digest), `${digest} came once`);
    }
    for (const [digest, bytes] of needed) {
      assert.equal(toB.blobBytes.get(digest), bytes, `${digest} went on once`);
    }
    const total = [...needed.values()].reduce((sum, bytes) => sum + bytes, 0);
    // A fill writes down once a second what it has: the kill costs what the line carries in that time.
    const most = 1.05 * total + 12 * MIB;
    assert.ok(link.totals.bytes < most, `${link.totals.bytes} bytes for ${total}`);
    test.diagnostic(
      `${link.totals.bytes} bytes went for ${total}, ${arrived.length} of ${layers.length} large layers had arrived at the kill`,
    );

    const credentials = ADMIN;
    const pushed = `oci:${join(folder('edge'), 'oci')}:latest`;
    await pushImage(pushed, `${again.host}/mirror/pushed:v9`, {
      folder: folder('edge'),
      credentials,
    });
    const isThereToo = async (): Promise<boolean> => {
      const tags: readonly string[] = await tagsAt(b.url, 'mirror/pushed', ADMIN).catch(() => []);
      return tags.includes('v9');
    };
    assert.ok(await until(isThereToo, 60_000), `what a client pushes goes on\n${again.log()}`);
  });
});

/** Those of the blobs that the node has by its own word. */
async function heldBy(
  url: string,
  repository: string,
  digests: readonly string[],
): Promise<readonly string[]> {
  const headers = { authorization: basic(ADMIN) };
  const asked = { headers, retry: { limit: 0 }, throwHttpErrors: false };
  const answers = await Promise.all(
    digests.map((digest) => got.head(`${url}/v2/${repository}/blobs/${digest}`, asked)),
  );
  return digests.filter((_, index) => answers[index]?.statusCode === 200);
}

const Manifest = z.object({
  config: z.object({ digest: z.string(), size: z.int() }),
  layers: z.array(z.object({ digest: z.string(), size: z.int() })),
});

/** Bytes in each of the blobs of these tags. */
async function sizesOf(url: string, tags: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const manifests = await Promise.all(
    tags.map(async (tag) => {
      const manifest = `${url}/v2/library/app/manifests/${tag}`;
      return Manifest.parse(await got(manifest, { headers: { accept } }).json());
    }),
  );
  const blobs = manifests.flatMap(({ config, layers }) => [config, ...layers]);
  return new Map(blobs.map(({ digest, size }) => [digest, size]));
}
