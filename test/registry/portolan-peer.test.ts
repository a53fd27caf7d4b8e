/** Another Portolan as the registry that is read and written: real sockets, real catalog, real files. */
import assert from 'node:assert/strict';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { opening } from '../adapters/conformance-pushes.ts';
import { startNode } from '../http/support/node.ts';
import { manifestOver, sized } from '../support/content.ts';
import { connectPeer } from '../support/registry-peer.ts';

const signal = AbortSignal.timeout(60_000);
const ADMIN = { username: 'admin', password: 'pw' };
const LAYER = Buffer.from(Array.from({ length: 3 << 20 }, (_, at) => (at * 13) % 249));
const CONFIG = Buffer.from('{}');

describe('a Portolan that another one pushes to', () => {
  it('has the image, byte for byte, and gives it up again', async () => {
    await using node = await startNode();
    using connected = connectPeer({ url: `http://${node.host}:${node.port}`, credential: ADMIN });
    const { peer } = connected;

    for (const bytes of [CONFIG, LAYER]) {
      const { digest, size } = sized(bytes);
      await peer.pushBlob('local/app', { digest, size }, opening(bytes), { signal });
    }
    const manifest = manifestOver(CONFIG, [LAYER]);
    const { digest } = manifest.descriptor;
    await peer.pushManifest('local/app', digest, manifest, { signal });
    await peer.pushManifest('local/app', '1.0', manifest, { signal });

    assert.deepEqual(await peer.manifest('local/app', '1.0', { signal }), manifest);
    const { content } = await peer.blob('local/app', sized(LAYER).digest, { signal });
    assert.deepEqual(await buffer(content), LAYER);
    assert.deepEqual(await Array.fromAsync(peer.repositories?.({ signal }) ?? []), ['local/app']);

    await peer.deleteTag('local/app', '1.0', { signal });
    assert.equal((await peer.headManifest('local/app', digest, { signal }))?.digest, digest);
    await peer.deleteManifest('local/app', digest, { signal });
    await assert.rejects(peer.headManifest('local/app', digest, { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
  });

  it('mounts what it has in a repository that we may read', async () => {
    await using node = await startNode();
    using connected = connectPeer({ url: `http://${node.host}:${node.port}`, credential: ADMIN });
    const { peer } = connected;
    const { digest, size } = sized(LAYER);
    await peer.pushBlob('local/base', { digest, size }, opening(LAYER), { signal });

    assert.equal(await peer.mountBlob('local/app', digest, 'local/base', { signal }), true);
    assert.equal(await peer.blobSize('local/app', digest, { signal }), size);
    assert.equal(await peer.mountBlob('local/app', digest, 'local/none', { signal }), false);
    const nowhere = sized(Buffer.from('nowhere')).digest;
    assert.equal(await peer.mountBlob('local/app', nowhere, 'local/base', { signal }), false);
  });

  it('refuses a manifest whose layers it has not, in words', async () => {
    await using node = await startNode();
    using connected = connectPeer({ url: `http://${node.host}:${node.port}`, credential: ADMIN });

    const pushing = connected.peer.pushManifest('local/app', '1.0', manifestOver(CONFIG, [LAYER]), {
      signal,
    });

    await assert.rejects(pushing, { name: 'UpstreamRefused', code: 'MANIFEST_BLOB_UNKNOWN' });
  });

  it('lets nobody push who has no right to', async () => {
    await using node = await startNode();
    const url = `http://${node.host}:${node.port}`;
    const { digest, size } = sized(LAYER);
    const credential = { username: 'guest', password: 'pw' };
    using guest = connectPeer({ url, credential });
    using nobody = connectPeer({ url });

    for (const { peer } of [guest, nobody]) {
      await assert.rejects(
        peer.pushBlob('local/app', { digest, size }, opening(LAYER), { signal }),
        {
          name: 'UpstreamDenied',
        },
      );
    }
  });
});
