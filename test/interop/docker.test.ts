import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type Docker, startDockerd } from './support/engines.ts';
import { digestAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

describe('docker', { timeout: 300_000 }, () => {
  it('logs in, pushes an image and pulls back the same digest', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));
    const pushed = `${world.node.host}/local/x`;
    await engine.docker('pull', `${world.hub.host}/library/x`);
    await engine.docker('tag', `${world.hub.host}/library/x`, `${pushed}:1`);
    await login(world, engine);

    await engine.docker('push', `${pushed}:1`);

    const digest = await digestAt(world.node.url, 'local/x', '1', world.admin);
    assert.ok((await namesOf(engine, `${pushed}:1`)).includes(`${pushed}@${digest}`));
    await engine.docker('tag', `${pushed}:1`, `${world.node.host}/local/y`);
    const second = await engine.docker('push', `${world.node.host}/local/y`);
    assert.match(second, /Mounted from local\/x/, 'no byte goes up twice');
    await engine.docker('system', 'prune', '--all', '--force');
    await engine.docker('pull', `${pushed}@${digest}`);
    const output = await engine.docker('run', '--rm', '--network', 'none', `${pushed}@${digest}`);
    assert.match(output, /^library\/x /);
  });

  for (const builder of ['classic', 'buildkit'] as const) {
    it(`builds with the ${builder} builder on an image from the mirror, and pushes the result`, async () => {
      await using world = await startWorld({ mirrors: ['docker.io'] });
      await world.publish(world.hub, 'library/x');
      const mirror = `http://${world.node.mirrors['docker.io']}`;
      await using engine = await startDockerd(world.at('engine'), { mirror });
      const pushed = `${world.node.host}/local/built:1`;
      await login(world, engine);
      const context = world.at('context');
      await mkdir(context);
      await writeFile(
        `${context}/Dockerfile`,
        'FROM x\nCOPY note /note\nCMD ["/bin/cat", "/note"]\n',
      );
      await writeFile(`${context}/note`, 'built');

      await engine.build(builder, '-t', pushed, context);
      await engine.docker('push', pushed);

      await engine.docker('system', 'prune', '--all', '--force');
      assert.equal(await engine.docker('run', '--rm', '--network', 'none', pushed), 'built');
    });
  }

  it('pulls by mirror name cold, warm and with the upstream gone', async () => {
    await using world = await startWorld({ mirrors: ['docker.io'] });
    await world.publish(world.hub, 'library/x', { ballast: 3 });
    const mirror = `http://${world.node.mirrors['docker.io']}`;
    await using engine = await startDockerd(world.at('engine'), { mirror });

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      pull: () => pullAfresh(engine, 'x'),
    });
  });

  it('pulls by project path, without a login, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.ghcr, 'team/app');
    await using engine = await startDockerd(world.at('engine'));

    await pullsColdWarmAndOffline(world, {
      upstream: world.ghcr,
      repository: 'team/app',
      pull: () => pullAfresh(engine, `${world.node.host}/ghcr.io/team/app`),
    });
  });

  it('pulls a name that no project has from Docker Hub, as library', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      pull: () => pullAfresh(engine, `${world.node.host}/x`),
    });
  });

  // docker tries for 50 s again and again when it does not understand that it was refused.
  it('is refused at once: a wrong password, and a push without a login', {
    timeout: 25_000,
  }, async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    await using engine = await startDockerd(world.at('engine'));
    const pushed = `${world.node.host}/local/x`;
    await engine.docker('pull', `${world.hub.host}/library/x`);
    await engine.docker('tag', `${world.hub.host}/library/x`, pushed);

    await assert.rejects(
      engine.docker('login', '-u', 'admin', '-p', 'wrong', world.node.host),
      /401|unauthorized/i,
    );
    await assert.rejects(engine.docker('push', pushed), /denied|unauthorized|no basic auth/i);
  });
});

const login = (world: World, engine: Docker): Promise<string> =>
  engine.docker('login', '-u', 'admin', '-p', world.node.adminPassword, world.node.host);

/** `<repository>@<digest>`, one for each registry that the engine knows the image from. */
async function namesOf(engine: Docker, image: string): Promise<readonly string[]> {
  const format = '{{join .RepoDigests "\\n"}}';
  return (await engine.docker('image', 'inspect', '--format', format, image)).split('\n');
}

/** Has the engine forget all images and pull; returns the digest it ended up with. */
async function pullAfresh(engine: Docker, image: string): Promise<string> {
  await engine.docker('system', 'prune', '--all', '--force');
  await engine.docker('pull', image);
  const [name] = await namesOf(engine, image);
  return name?.split('@')[1] ?? '';
}
