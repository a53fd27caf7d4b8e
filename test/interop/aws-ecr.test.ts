/**
 * The ECR adapter beside moto, which is Amazon's API and no registry, and stock distribution for the bytes, which wants the
 * password that moto gives.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { opening } from '../adapters/conformance-pushes.ts';
import { manifestOver, sized } from '../support/content.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { clientEnvironment, freePort, must, startDaemon } from './support/processes.ts';
import { pythonWith } from './support/python.ts';
import { answers, startStockRegistry } from './support/registries.ts';

const signal = AbortSignal.timeout(540_000);
const KEY = { username: 'AKIAIOSFODNN7EXAMPLE', password: 'any' };
/** Whoever asks moto is this account. */
const ACCOUNT = '123456789012';
const BYTES = Buffer.from('layer'.repeat(1_000_000));
const CONFIG = Buffer.from('{}');

describe('Amazon ECR, as moto plays it', { timeout: 600_000 }, () => {
  it('gives a login, makes a repository, lists it, and takes an image', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const env = clientEnvironment(directory.path);
    await using moto = await startMoto(directory.path);
    const login = await must('htpasswd', ['-Bbn', 'AWS', `${ACCOUNT}-auth-token`], { env });
    await writeFile(at('htpasswd'), login);
    await using stock = await startStockRegistry(at('registry'), {
      more: { auth: { htpasswd: { realm: 'ecr', path: at('htpasswd') } } },
    });
    const options = { region: 'eu-central-1', apiUrl: moto.url };
    const asked = { adapter: 'aws-ecr', url: stock.url, credential: KEY, options };
    using connected = connectPeer(asked);
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

async function startMoto(folder: string) {
  const python = await pythonWith('moto[server,ecr]==5.2.5');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const daemon = await startDaemon(
    join(dirname(python), 'moto_server'),
    ['-H', '127.0.0.1', '-p', `${port}`],
    {
      env: clientEnvironment(folder),
      logFile: join(folder, 'moto.log'),
      isReady: () => answers(url),
    },
  );
  return { ...daemon, url };
}
