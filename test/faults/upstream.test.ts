import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { until } from '../interop/support/processes.ts';
import { startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Behaviour, startUpstream } from '../support/upstream.ts';
import { RegistryClient } from './support/client.ts';
import { contentOf, randomFrom } from './support/content.ts';
import { rounds, seed } from './support/form.ts';
import { openStagedFiles } from './support/ledger.ts';

const LAYER_BYTES = 3 << 20;
const REPOSITORY = 'docker.io/library/x';

const BEHAVIOURS: readonly { name: string; how: Behaviour }[] = [
  { name: 'lies about the digest', how: { corrupt: true } },
  { name: 'lies about the size', how: { shorterBy: 1000 } },
  { name: 'truncates', how: { cutAfter: 1 << 20 } },
  { name: 'stalls', how: { stallAfter: 1 << 20 } },
  { name: 'resets the connection midway', how: { resetAfter: 1 << 20 } },
  { name: 'resets before it answers', how: { reset: true } },
  { name: 'says nothing', how: { silent: true } },
  { name: 'answers 404', how: { status: 404 } },
  { name: 'answers 429', how: { status: 429, headers: { 'retry-after': '1' } } },
  { name: 'answers 500', how: { status: 500 } },
  { name: 'answers 200 with a page', how: { body: '<html>', headers: { 'content-length': '6' } } },
  {
    name: 'redirects to a host that is not there',
    how: { redirectTo: new URL('http://127.0.0.1:9/') },
  },
  { name: 'ignores ranges and breaks off', how: { ignoreRange: true, cutAfter: 2 << 20 } },
  { name: 'does not say how long the answer is', how: { sayNoLength: true } },
];

describe('an upstream that misbehaves', { timeout: 3_600_000 }, () => {
  it('never gets a wrong byte through, and is forgiven when it recovers', async (test) => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const folder = join(directory.path, 'node');
    await using node = await startPortolan(folder, {
      configuration: {
        fills: { silence: '2s' },
        endpoints: {
          'docker.io': {
            adapter: 'docker-hub',
            url: upstream.url.href,
            allowPrivateAddress: true,
          },
        },
      },
    });
    const client = new RegistryClient(node.url, node.adminPassword);
    const random = randomFrom(seed);

    for (let round = 0; round < rounds({ short: 1, long: 15 }); round++) {
      for (const { name, how } of BEHAVIOURS) {
        await test.test(`${name} (${round})`, async () => {
          const path = random() < 0.5 ? /\/blobs\// : /\/(blobs|manifests)\//;
          const tag = `t${round}-${name.replaceAll(' ', '-')}`;
          const image = upstream.addImage('library/x', tag, [contentOf(tag, LAYER_BYTES)]);
          const layer = image.layers[0]?.digest ?? assert.fail('one layer');
          upstream.behave({ path }, how);
          const pull = async () => {
            await client.manifestDigest(REPOSITORY, tag);
            await client.hasWholeBlob(REPOSITORY, layer);
          };
          // Rejects or resolves as the upstream allows; what comes through is whole, or this throws another error below.
          await Promise.race([
            pull().catch(() => undefined),
            new Promise((go) => setTimeout(go, 5_000)),
          ]);

          upstream.recover();
          const isHealed = await until(async () => {
            const digest = await client.manifestDigest(REPOSITORY, tag).catch(() => undefined);
            return (
              digest === image.manifest.digest &&
              (await client.hasWholeBlob(REPOSITORY, layer).catch(() => false))
            );
          }, 60_000);
          assert.ok(isHealed, node.log().slice(-3000));
        });
      }
    }

    const staging = join(folder, 'data/staging');
    assert.ok(await until(async () => (await readdir(staging)).length === 0), 'staging is empty');
    assert.ok(await until(() => openStagedFiles(node.pid).length === 0), 'no descriptor is left');
    assert.equal(await client.status('v2/'), 200);
    test.diagnostic(`seed ${seed}`);
  });
});
