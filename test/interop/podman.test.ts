import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Containers, containersIn } from './support/containers.ts';
import { digestAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

describe('podman', { timeout: 300_000 }, () => {
  it('logs in, pushes an image and pulls back the same digest', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const { podman } = await containersIn(world.at('podman'), insecure(world));
    const pushed = `${world.node.host}/local/x:1`;
    await podman('login', '-u', 'admin', '-p', world.node.adminPassword, world.node.host);
    await podman('pull', '-q', `${world.hub.host}/library/x`);
    await podman('tag', `${world.hub.host}/library/x`, pushed);

    await podman('push', '--digestfile', world.at('digest'), pushed);

    const digest = await digestAt(world.node.url, 'local/x', '1', world.admin);
    await podman('rmi', '--all', '--force');
    await podman('pull', '-q', `${world.node.host}/local/x@${digest}`);
    assert.equal(await pulledDigest(podman), digest);
  });

  it('pulls docker.io through a mirror location, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld({ mirrors: ['docker.io'] });
    await world.publish(world.hub, 'library/x');
    const location = world.node.mirrors['docker.io'] ?? '';
    const { podman } = await containersIn(world.at('podman'), mirrored('docker.io', location));

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      pull: () => pullAfresh(podman, 'docker.io/library/x'),
    });
  });

  it('pulls through a mirror location with a path on the node, and the image runs', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const location = `${world.node.host}/docker.io`;
    const { podman } = await containersIn(world.at('podman'), mirrored('docker.io', location));

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      pull: () => pullAfresh(podman, 'docker.io/library/x'),
    });

    const output = await podman('run', '--rm', '--network', 'none', 'docker.io/library/x');
    assert.match(output, /^library\/x /);
  });

  it('pulls a rewritten name: ghcr.io is the path of that name on the node', async () => {
    await using world = await startWorld();
    await world.publish(world.ghcr, 'team/app');
    const { podman } = await containersIn(
      world.at('podman'),
      `[[registry]]
prefix = "ghcr.io"
location = "${world.node.host}/ghcr.io"
insecure = true`,
    );

    await pullsColdWarmAndOffline(world, {
      upstream: world.ghcr,
      repository: 'team/app',
      pull: () => pullAfresh(podman, 'ghcr.io/team/app'),
    });
  });

  it('tells its user why the node could not serve', async () => {
    await using world = await startWorld();
    await world.stopUpstreams();
    const location = `${world.node.host}/ghcr.io`;
    const { attempt } = await containersIn(world.at('podman'), mirrored('ghcr.io', location));

    const { code, stderr } = await attempt('podman', 'pull', 'ghcr.io/team/absent');

    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(world.node.host), 'the error names the mirror');
    assert.doesNotMatch(stderr, /manifest unknown/i, 'an unreachable upstream is not a 404');
  });
});

const insecure = (world: World): string => `[[registry]]
location = "${world.node.host}"
insecure = true
[[registry]]
location = "${world.hub.host}"
insecure = true`;

const mirrored = (name: string, location: string): string => `[[registry]]
prefix = "${name}"
location = "${name}"
[[registry.mirror]]
location = "${location}"
insecure = true`;

type Podman = Containers['podman'];

async function pullAfresh(podman: Podman, name: string): Promise<string> {
  await podman('rmi', '--all', '--force');
  await podman('pull', '-q', name);
  return pulledDigest(podman);
}

/** The digest of the only image there is. */
const pulledDigest = (podman: Podman): Promise<string> =>
  podman('images', '--format', '{{.Digest}}');
