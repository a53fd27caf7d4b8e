/**
 * The ECR adapter beside moto, which is Amazon's API and no registry, and stock distribution for the bytes, which wants the
 * password that moto gives.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { opening } from '../adapters/conformance-pushes.ts';
import { manifestOver, sized } from '../support/content.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startAmazonApi, startEcr } from './support/ecr.ts';

const signal = AbortSignal.timeout(540_000);
const BYTES = Buffer.from('layer'.repeat(1_000_000));
const CONFIG = Buffer.from('{}');

describe('Amazon ECR, as moto plays it', { timeout: 600_000 }, () => {
  it('gives a login, makes a repository, lists it, and takes an image', async () => {
    await using directory = await temporaryDirectory();
    await using amazon = await startAmazonApi(directory.path);
    await using registry = await startEcr(join(directory.path, 'registry'), amazon);
    using connected = connectPeer(registry.endpoint);
    const { peer } = connected;

    for (const name of ['team/app', 'team/base', 'team/app']) {
      await peer.preparePush?.(name, { signal });
    }
    const names = await Array.fromAsync(peer.repositories?.({ signal }) ?? []);
    for (const bytes of [CONFIG, BYTES]) {
      await peer.pushBlob('team/app', sized(bytes), opening(bytes), { signal });
    }
    const manifest = manifestOver(CONFIG, [BYTES]);
    const { digest } = manifest.descriptor;
    await peer.pushManifest('team/app', '1.0', manifest, { signal });

    assert.deepEqual(names, ['team/app', 'team/base']);
    assert.equal((await peer.headManifest('team/app', '1.0', { signal }))?.digest, digest);
    const { content } = await peer.blob('team/app', sized(BYTES).digest, { signal });
    assert.deepEqual(await buffer(content), BYTES);
    // What was pushed went past moto, which therefore does not know of it.
    await assert.rejects(peer.deleteTag('team/app', '1.0', { signal }), {
      code: 'MANIFEST_UNKNOWN',
    });
    await assert.rejects(peer.deleteTag('team/none', '1.0', { signal }), { code: 'NAME_UNKNOWN' });
  });
});
