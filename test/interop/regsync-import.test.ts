/** What `portolan import regsync` prints does what regsync does with the same file. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse, stringify } from 'yaml';
import type { RegistryPeer } from '../../src/registry/peer.ts';
import { opening } from '../adapters/conformance-pushes.ts';
import { startReplicatingNode } from '../replication/support/nodes.ts';
import { manifestOver, sized } from '../support/content.ts';
import { portolan } from '../support/portolan.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { clientEnvironment, must } from './support/processes.ts';
import { startStockRegistry } from './support/registries.ts';

const signal = AbortSignal.timeout(200_000);

describe('a file of regsync', { timeout: 240_000 }, () => {
  it('copies the same by regsync and by the policies that it becomes', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using from = await startStockRegistry(join(path, 'from'));
    await using theirs = await startStockRegistry(join(path, 'theirs'));
    await using ours = await startStockRegistry(join(path, 'ours'));
    using source = connectPeer({ url: from.url });
    for (const tag of ['1.0.0', '1.1.0', '1.1.0-rc1', '2.0.0', 'latest']) {
      await pushImage(source.peer, tag);
    }
    const file = join(path, 'regsync.yml');
    const textFor = (host: string) =>
      stringify({
        version: 1,
        creds: [from.host, host].map((registry) => ({ registry, tls: 'disabled' })),
        sync: [
          {
            source: `${from.host}/team/app`,
            target: `${host}/mirror/team/app`,
            type: 'repository',
            tags: { semverRange: ['>=1.1'], deny: ['.*-rc.*'] },
          },
          {
            source: `${from.host}/team/app:latest`,
            target: `${host}/other/name:latest`,
            type: 'image',
          },
        ],
      });
    await writeFile(file, textFor(theirs.host));
    await must('regsync', ['-c', file, 'once'], { cwd: path, env: clientEnvironment(path) });

    await writeFile(file, textFor(ours.host));
    const { stdout, stderr, code } = await portolan(['import', 'regsync', file]);
    assert.equal(code, 0, stderr);
    await using node = await startReplicatingNode(path, 'node', parse(stdout));
    for (const policy of [1, 2]) {
      const { id, status } = await node.run(policy);
      assert.equal(status, 'Succeed', await node.log(id));
    }

    const [wanted, found] = await Promise.all([theirs.url, ours.url].map(contentOf));
    assert.deepEqual(found, wanted);
    assert.deepEqual(Object.keys(found ?? {}).toSorted(), [
      'mirror/team/app:1.1.0',
      'mirror/team/app:2.0.0',
      'other/name:latest',
    ]);
  });
});

async function pushImage(peer: RegistryPeer, text: string): Promise<void> {
  const [config, layer] = [Buffer.from('{}'), Buffer.from(text)];
  for (const bytes of [config, layer]) {
    await peer.pushBlob('team/app', sized(bytes), opening(bytes), { signal });
  }
  await peer.pushManifest('team/app', text, manifestOver(config, [layer]), { signal });
}

/** Digests by repository and tag. */
async function contentOf(url: string): Promise<Readonly<Record<string, string>>> {
  using connected = connectPeer({ url });
  const { peer } = connected;
  const content: [string, string][] = [];
  for (const repository of ['mirror/team/app', 'other/name']) {
    for await (const tag of peer.tags(repository, { signal })) {
      const { descriptor } = await peer.manifest(repository, tag, { signal });
      content.push([`${repository}:${tag}`, descriptor.digest]);
    }
  }
  return Object.fromEntries(content);
}
