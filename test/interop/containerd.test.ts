import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Containerd, startContainerd } from './support/containerd.ts';
import { digestAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

describe('containerd', { timeout: 300_000 }, () => {
  it('pushes an image with a credential and pulls back the same digest', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.hub, 'library/x');
    await using engine = await startContainerd(world.at('engine'), {});
    const source = `${world.hub.host}/library/x:latest`;
    const pushed = `${world.node.host}/local/x:1`;
    await engine.ctr('images', 'pull', '--plain-http', source);
    await engine.ctr('images', 'tag', source, pushed);

    await engine.ctr('images', 'push', '--plain-http', '--user', world.admin, pushed);

    assert.equal(await digestAt(world.node.url, 'local/x', '1', world.admin), digest);
    await forget(engine, source, pushed);
    await engine.ctr('images', 'pull', '--plain-http', '--user', world.admin, pushed);
    assert.equal(await digestOf(engine, pushed), digest);
  });

  it('is refused a push without a credential', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startContainerd(world.at('engine'), {});
    const source = `${world.hub.host}/library/x:latest`;
    await engine.ctr('images', 'pull', '--plain-http', source);
    await engine.ctr('images', 'tag', source, `${world.node.host}/local/x:1`);

    const push = ['images', 'push', '--plain-http', `${world.node.host}/local/x:1`];
    const { code, stderr } = await engine.attempt(...push);

    assert.notEqual(code, 0);
    assert.match(stderr, /401|unauthorized|authorization/i);
  });

  it('pulls docker.io by hosts.toml cold, warm and with the upstream gone, and the image runs', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startContainerd(world.at('engine'), {
      'docker.io': hostsToml(world.node.url),
    });
    const name = 'docker.io/library/x:latest';

    await pullsThrough(world, engine, { upstream: world.hub, repository: 'library/x', name });

    const output = await engine.ctr('run', '--rm', name, 'one');
    assert.match(output, /^library\/x /);
  });

  it('pulls any registry by _default, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.ghcr, 'team/app');
    await using engine = await startContainerd(world.at('engine'), {
      _default: hostsToml(world.node.url),
    });
    const name = 'ghcr.io/team/app:latest';

    await pullsThrough(world, engine, { upstream: world.ghcr, repository: 'team/app', name });
  });

  it('pulls through a host whose path is the project, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.ghcr, 'team/app');
    await using engine = await startContainerd(world.at('engine'), {
      'ghcr.io': `${hostsToml(`${world.node.url}/v2/ghcr.io`)}override_path = true\n`,
    });
    const name = 'ghcr.io/team/app:latest';

    await pullsThrough(world, engine, { upstream: world.ghcr, repository: 'team/app', name });
  });

  it('pulls through a mirror name, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld({ mirrors: ['docker.io'] });
    await world.publish(world.hub, 'library/x');
    await using engine = await startContainerd(world.at('engine'), {
      'docker.io': hostsToml(`http://${world.node.mirrors['docker.io']}`),
    });
    const name = 'docker.io/library/x:latest';

    await pullsThrough(world, engine, { upstream: world.hub, repository: 'library/x', name });
  });

  it('pulls by project path, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startContainerd(world.at('engine'), {
      [world.node.host]: hostsToml(world.node.url),
    });
    const name = `${world.node.host}/docker.io/library/x:latest`;

    await pullsThrough(world, engine, { upstream: world.hub, repository: 'library/x', name });
  });
});

const hostsToml = (url: string): string => `[host."${url}"]
capabilities = ["pull", "resolve"]
`;

function pullsThrough(
  world: World,
  engine: Containerd,
  { upstream, repository, name }: { upstream: World['hub']; repository: string; name: string },
): Promise<void> {
  return pullsColdWarmAndOffline(world, {
    upstream,
    repository,
    async pull() {
      await forget(engine, name);
      await engine.ctr('images', 'pull', '--hosts-dir', engine.hosts, name);
      return digestOf(engine, name);
    },
  });
}

/** Removes the images and, at once, the content that only they had. */
async function forget(engine: Containerd, ...names: readonly string[]): Promise<void> {
  await engine.attempt('images', 'rm', '--sync', ...names);
  assert.equal(await engine.ctr('content', 'ls', '-q'), '', 'nothing is left to start from');
}

async function digestOf(engine: Containerd, name: string): Promise<string> {
  const listed = await engine.ctr('images', 'ls', `name==${name}`);
  return /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? '';
}
