/** Stock distribution as the registry that is read and written. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { manifestOver, sized } from '../support/content.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startNginx } from './support/nginx.ts';
import { startStockRegistry } from './support/registries.ts';

const MIB = 2 ** 20;
const LAYER = Buffer.from(Array.from({ length: 24 * MIB }, (_, at) => (at * 11) % 241));
const CONFIG = Buffer.from('{}');
const signal = AbortSignal.timeout(240_000);

/** `registry` is distribution 3. */
for (const command of ['docker-registry', 'registry']) {
  describe(`the stock ${command} as a peer`, { timeout: 300_000 }, () => {
    it('takes an image, lists it, mounts from it, and deletes it', async () => {
      await using directory = await temporaryDirectory();
      await using stock = await startStockRegistry(directory.path, { command });
      using connected = connectPeer({ url: stock.url });
      const { peer } = connected;

      await pushBlob(peer, CONFIG);
      await pushBlob(peer, LAYER);
      const image = manifestOver(CONFIG, [LAYER]);
      const { digest } = image.descriptor;
      await peer.pushManifest('team/app', digest, image, { signal });
      await peer.pushManifest('team/app', '1.0', image, { signal });

      assert.deepEqual(await peer.manifest('team/app', '1.0', { signal }), image);
      const { content } = await peer.blob('team/app', digestOf(LAYER), { signal });
      assert.deepEqual(await buffer(content), LAYER);
      const names = await Array.fromAsync(peer.repositories?.({ signal, prefix: 'team/' }) ?? []);
      assert.deepEqual(names, ['team/app']);
      assert.equal(
        await peer.mountBlob('other/app', digestOf(LAYER), 'team/app', { signal }),
        true,
      );
      assert.equal(
        await peer.mountBlob('other/app', digestOf(CONFIG), 'other/none', { signal }),
        false,
      );

      const untagging = peer.deleteTag('team/app', '1.0', { signal });
      if (command === 'registry') await untagging;
      else await assert.rejects(untagging, { code: 'UNSUPPORTED' });
      await peer.deleteManifest('team/app', digest, { signal });
      await assert.rejects(peer.headManifest('team/app', digest, { signal }), {
        code: 'MANIFEST_UNKNOWN',
      });
    });

    it('takes a blob from its start again when the connection broke', async () => {
      await using directory = await temporaryDirectory();
      await using stock = await startStockRegistry(directory.path, { command });
      await using proxy = await startCuttingProxy(new URL(stock.url));
      using connected = connectPeer({ url: proxy.url });

      proxy.cutAfter(10 * MIB);
      await pushBlob(connected.peer, LAYER);

      const { content } = await connected.peer.blob('team/app', digestOf(LAYER), { signal });
      assert.deepEqual(await buffer(content), LAYER);
      assert.ok(proxy.sentBytes < LAYER.length + 11 * MIB, `${proxy.sentBytes} bytes left`);
    });

    it('takes a blob in chunks where something before it takes no larger body', async () => {
      await using directory = await temporaryDirectory();
      await using stock = await startStockRegistry(directory.path, { command });
      const at = join(directory.path, 'nginx');
      const [node, data] = [stock.url, directory.path];
      await using nginx = await startNginx(at, { node, data, mostBody: '5m' });
      using connected = connectPeer({ url: nginx.url });

      await pushBlob(connected.peer, LAYER);

      assert.equal(
        await connected.peer.blobSize('team/app', digestOf(LAYER), { signal }),
        LAYER.length,
      );
    });
  });
}

function pushBlob(peer: RegistryPeer, bytes: Buffer): Promise<void> {
  return peer.pushBlob('team/app', sized(bytes), opening(bytes), { signal });
}
