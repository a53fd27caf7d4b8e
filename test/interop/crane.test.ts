import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { makeImage } from './support/images.ts';
import { clientEnvironment, must, run } from './support/processes.ts';
import { digestAt, tagsAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

describe('crane', { timeout: 300_000 }, () => {
  it('copies an image in, validates it there and pulls it back unchanged', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world);
    const pushed = `${world.node.host}/local/x`;

    await crane('copy', `${world.hub.host}/library/x:latest`, `${pushed}:1`);

    assert.equal(await digestAt(world.node.url, 'local/x', '1', world.admin), digest);
    assert.equal(await crane('digest', `${pushed}:1`), digest);
    await crane('validate', '--remote', `${pushed}:1`);
    await crane('pull', '--format', 'oci', `${pushed}:1`, world.at('layout'));
    await crane('push', world.at('layout'), `${pushed}:again`);
    assert.equal(await digestAt(world.node.url, 'local/x', 'again', world.admin), digest);
  });

  it('mounts the layers of an image it copies inside the node', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world);
    await crane('copy', `${world.hub.host}/library/x`, `${world.node.host}/local/a`);

    await crane('copy', `${world.node.host}/local/a`, `${world.node.host}/local/b/c`);

    assert.equal(await digestAt(world.node.url, 'local/b/c', 'latest', world.admin), digest);
    await crane('validate', '--remote', `${world.node.host}/local/b/c`);
  });

  it('lists repositories and tags, and deletes a tag and a manifest', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world);
    const pushed = `${world.node.host}/local/x`;
    await crane('copy', `${world.hub.host}/library/x`, `${pushed}:1`);
    await crane('tag', `${pushed}:1`, '2');
    assert.equal(await crane('ls', pushed), '1\n2');
    assert.equal(await crane('catalog', world.node.host), 'local/x');

    await crane('delete', `${pushed}:1`);
    assert.deepEqual(await tagsAt(world.node.url, 'local/x', world.admin), ['2']);

    await crane('delete', `${pushed}@${digest}`);
    await assert.rejects(crane('digest', `${pushed}:2`));
  });

  it('pushes an index and validates it with all its children', async () => {
    await using world = await startWorld();
    const crane = await craneOf(world);
    const index = await pushIndex(world, crane, `${world.node.host}/local/multi`);

    assert.equal(await digestAt(world.node.url, 'local/multi', 'latest', world.admin), index);
    await crane('validate', '--remote', `${world.node.host}/local/multi`);
  });

  it('pulls through the node cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const crane = await craneOf(world);
    const cached = `${world.node.host}/docker.io/library/x`;
    let pulls = 0;

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      async pull() {
        await crane('pull', '--format', 'oci', cached, world.at(`pulled-${++pulls}`));
        await crane('validate', '--remote', cached);
        return crane('digest', cached);
      },
    });
  });

  it('gets an upstream index byte for byte, and only the platform it asks for is fetched', async () => {
    await using world = await startWorld();
    const crane = await craneOf(world);
    const index = await pushIndex(world, crane, `${world.ghcr.host}/team/multi`);
    const arm = await crane('digest', '--platform', 'linux/arm64', `${world.ghcr.host}/team/multi`);
    const cached = `${world.node.host}/ghcr.io/team/multi`;

    assert.equal(await crane('digest', cached), index);
    await crane('pull', '--platform', 'linux/amd64', cached, world.at('amd64.tar'));

    assert.equal(await digestAt(world.node.url, 'ghcr.io/team/multi', index), index);
    await world.stopUpstreams();
    await crane('pull', '--platform', 'linux/amd64', cached, world.at('again.tar'));
    const { code } = await craneRun(world, 'manifest', `${cached}@${arm}`);
    assert.notEqual(code, 0, 'the other platform was never asked for');
  });

  it('is refused a push without a credential', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');

    const { code, stderr } = await craneRun(
      world,
      'copy',
      `${world.hub.host}/library/x`,
      `${world.node.host}/local/x`,
    );

    assert.notEqual(code, 0);
    assert.match(stderr, /UNAUTHORIZED|DENIED|401|403/);
  });
});

type Crane = (...args: string[]) => Promise<string>;

const craneEnvironment = (world: World) =>
  clientEnvironment(world.at('.'), { DOCKER_CONFIG: world.at('crane') });

const craneRun = (world: World, ...args: string[]) =>
  run('crane', args, { env: craneEnvironment(world) });

/** crane, logged in at the node as its admin. */
async function craneOf(world: World): Promise<Crane> {
  await mkdir(world.at('crane'), { recursive: true });
  const env = craneEnvironment(world);
  const login = ['auth', 'login', world.node.host, '-u', 'admin', '--password-stdin'];
  await must('crane', login, { env, input: world.node.adminPassword });
  return (...args) => must('crane', args, { env });
}

/** Puts an index of two platforms at `repository`; returns its digest. */
async function pushIndex(world: World, crane: Crane, repository: string): Promise<string> {
  const folder = world.at('index');
  const image = await makeImage(folder, `index at ${repository}`);
  const layout = image.split(':')[1] ?? '';
  await crane('push', layout, `${repository}:amd64`);
  await crane(
    'mutate',
    '--set-platform',
    'linux/arm64',
    '--tag',
    `${repository}:arm64`,
    `${repository}:amd64`,
  );
  const pushed = await crane(
    'index',
    'append',
    '--tag',
    `${repository}:latest`,
    '--manifest',
    `${repository}:amd64`,
    '--manifest',
    `${repository}:arm64`,
  );
  return pushed.split('@')[1] ?? '';
}
