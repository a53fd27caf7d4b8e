import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { containersIn } from './support/containers.ts';
import { digestAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

describe('buildah', { timeout: 300_000 }, () => {
  it('builds on an image from the mirror, pushes the result and pulls it back', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const { buildah } = await containersIn(world.at('buildah'), mirrored(world), {
      logins: { [world.node.host]: world.admin },
    });
    const pushed = `${world.node.host}/local/built`;
    await mkdir(world.at('context'));
    await writeFile(
      world.at('context/Containerfile'),
      'FROM docker.io/library/x\nRUN echo built > /built\nCMD ["/bin/cat", "/built"]\n',
    );

    await buildah('bud', '--network', 'none', '-t', `${pushed}:1`, world.at('context'));
    await buildah('push', '--tls-verify=false', `${pushed}:1`);

    const digest = await digestAt(world.node.url, 'local/built', '1', world.admin);
    await buildah('rmi', '--all', '--force');
    await buildah('pull', '-q', '--tls-verify=false', `${pushed}@${digest}`);
    assert.equal(await buildah('images', '--format', '{{.Digest}}'), digest);
  });

  it('starts from an image through the node cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const { buildah } = await containersIn(world.at('buildah'), mirrored(world));

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      async pull() {
        await buildah('rm', '--all');
        await buildah('rmi', '--all', '--force');
        await buildah('from', '--name', 'work', 'docker.io/library/x');
        const digest = await buildah('images', '--format', '{{.Digest}}');
        return digest;
      },
    });
  });
});

const mirrored = (world: World): string => `[[registry]]
prefix = "docker.io"
location = "docker.io"
[[registry.mirror]]
location = "${world.node.host}/docker.io"
insecure = true`;
