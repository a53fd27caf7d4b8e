import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startContainerd } from './support/containerd.ts';
import { containersIn } from './support/containers.ts';
import { startDockerd } from './support/engines.ts';
import { toolIn } from './support/tools.ts';
import { digestAt, downloadsFrom } from './support/wire.ts';
import { startWorld } from './support/world.ts';

describe('different clients at once', { timeout: 300_000 }, () => {
  it('pull one cold image, of which each byte leaves the upstream once', async () => {
    await using world = await startWorld({ mirrors: ['docker.io'] });
    const digest = await world.publish(world.hub, 'library/x', { ballast: 4 });
    const mirror = `http://${world.node.mirrors['docker.io']}`;
    await using docker = await startDockerd(world.at('docker'), { mirror });
    await using containerd = await startContainerd(world.at('containerd'), {
      'docker.io': `[host."${world.node.url}"]\ncapabilities = ["pull", "resolve"]\n`,
    });
    const { skopeo } = await containersIn(world.at('skopeo'), '');
    const crane = await toolIn(world, 'crane');
    const cached = `${world.node.host}/docker.io/library/x`;
    const layout = `dir:${world.at('copied')}`;
    const before = downloadsFrom(world.hub).length;

    await Promise.all([
      docker.docker('pull', 'x'),
      containerd.ctr(
        'images',
        'pull',
        '--hosts-dir',
        containerd.hosts,
        'docker.io/library/x:latest',
      ),
      skopeo('copy', '--src-tls-verify=false', `docker://${cached}`, layout),
      crane('pull', '--format', 'oci', cached, crane.at('pulled')),
      crane('validate', '--remote', cached),
    ]);

    const fetched = downloadsFrom(world.hub).slice(before);
    assert.equal(fetched.length, new Set(fetched).size);
    assert.match(await docker.docker('inspect', 'x'), new RegExp(digest));
    assert.match(await containerd.ctr('images', 'ls'), new RegExp(digest));
    assert.equal(await skopeo('manifest-digest', `${world.at('copied')}/manifest.json`), digest);
    assert.equal(await digestAt(world.node.url, 'docker.io/library/x', 'latest'), digest);
  });
});
