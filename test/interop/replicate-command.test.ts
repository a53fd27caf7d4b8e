/** `portolan replicate` between two stock registries, as a person runs it: on a terminal. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import type { Manifest } from '../../src/oci/manifest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { manifestOver, sized } from '../support/content.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { clientEnvironment, run } from './support/processes.ts';
import { startStockRegistry } from './support/registries.ts';

const LAUNCHER = join(import.meta.dirname, '../../bin/portolan.js');
const LAYER = Buffer.from(Array.from({ length: 24 * 2 ** 20 }, (_, at) => (at * 13) % 239));
const signal = AbortSignal.timeout(240_000);

describe('portolan replicate on a terminal', { timeout: 300_000 }, () => {
  it('shows a bar, and the copy is whole with the same digests', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using from = await startStockRegistry(join(path, 'from'));
    await using to = await startStockRegistry(join(path, 'to'), { command: 'registry' });
    using source = connectPeer({ url: from.url });
    using destination = connectPeer({ url: to.url });
    const index = await pushIndex(source.peer);
    const home = join(path, 'home');
    await mkdir(home);
    const words = ['replicate', '--from', from.host, '--to', `${to.host}/mirror`, 'team/app'];

    const command = [process.execPath, LAUNCHER, ...words].map((word) => `'${word}'`).join(' ');
    const { code, stdout } = await run('script', ['-qec', command, '/dev/null'], {
      cwd: home,
      env: clientEnvironment(home, { TERM: 'xterm' }),
    });

    assert.equal(code, 0, stdout);
    assert.match(stdout, /=+-* \d+ of \d+ tasks, [\d.]+ (?:B|[KM]iB)/);
    assert.match(stdout, /team\/app:v1: copied/);
    assert.match(stdout, /Execution 1 of replicate succeeded: \d+ tasks, 24\.0 MiB in/);
    const { peer } = destination;
    assert.deepEqual(await peer.manifest('mirror/team/app', 'v1', { signal }), index);
    assert.equal(await peer.blobSize('mirror/team/app', digestOf(LAYER), { signal }), LAYER.length);
  });
});

/** Of one image, tagged `v1`. */
async function pushIndex(peer: RegistryPeer): Promise<Manifest> {
  const config = Buffer.from('{}');
  for (const bytes of [config, LAYER]) {
    await peer.pushBlob('team/app', sized(bytes), opening(bytes), { signal });
  }
  const image = manifestOver(config, [LAYER]);
  await peer.pushManifest('team/app', image.descriptor.digest, image, { signal });
  const platform = { os: 'linux', architecture: 'amd64' };
  const manifests = [{ ...image.descriptor, platform }];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
  const digest = digestOf(bytes);
  const index = { bytes, descriptor: { mediaType: OCI_INDEX, digest, size: bytes.length } };
  await peer.pushManifest('team/app', 'v1', index, { signal });
  return index;
}
