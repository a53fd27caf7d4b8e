import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { endpointAt, startPortolan } from '../interop/support/registries.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startUpstream } from '../support/upstream.ts';
import { RegistryClient } from './support/client.ts';
import { contentOf, randomFrom } from './support/content.ts';
import { rounds, seed } from './support/form.ts';
import { assertNoStrayStaging, Ledger } from './support/ledger.ts';

const LAYERS = [700_000, 30_000];
const COLD_BYTES = 6 << 20;

describe('a node that is killed at any moment', { timeout: 3_600_000 }, () => {
  it('has what it acknowledged, shows nothing partial, and finishes its fills', async (test) => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    upstream.behave({ path: /\/blobs\// }, { bytesPerSecond: 20 << 20 });
    const random = randomFrom(seed);
    const ledger = new Ledger();
    const folder = join(directory.path, 'node');
    const options = { configuration: endpointAt('docker.io', upstream.url.href, 'docker-hub') };

    for (let round = 0; round < rounds({ short: 20, long: 200 }); round++) {
      const cold = upstream.addImage('library/cold', `v${round}`, [
        contentOf(`cold ${round}`, COLD_BYTES),
      ]);
      const layer = cold.layers[0]?.digest ?? assert.fail('one layer');
      await using node = await startPortolan(folder, options);
      const client = new RegistryClient(node.url, node.adminPassword);
      const work = [
        ledger.pushUntilItFails(client, `a${round % 3}`, LAYERS),
        ledger.pushUntilItFails(client, `b${round % 2}`, LAYERS),
        client.hasWholeBlob('docker.io/library/cold', layer).catch(() => undefined),
      ];
      await wait(20 + random() * 600);
      await node.stop('SIGKILL');
      await Promise.all(work);

      await using again = await startPortolan(folder, options);
      const witness = new RegistryClient(again.url, again.adminPassword);
      await ledger.verify(witness);
      assert.ok(await witness.hasWholeBlob('docker.io/library/cold', layer));
      await again.stop();
      assertNoStrayStaging(join(folder, 'data'));
      if (round % 10 === 9) ledger.forgetBlobs();
    }
    test.diagnostic(`seed ${seed}`);
  });
});
