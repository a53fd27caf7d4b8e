import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { type Tool, toolIn } from './support/tools.ts';
import { digestAt, tagsAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

const SBOM = 'application/vnd.example.sbom';

describe('regctl', { timeout: 300_000 }, () => {
  it('copies an image with its referrers and digest tags in, and back out again', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.ghcr, 'team/app');
    const regctl = await regctlOf(world);
    const source = `${world.ghcr.host}/team/app`;
    await attach(regctl, `${source}:latest`);
    const digestTag = `${digest.replace(':', '-')}.sig`;
    await regctl('image', 'copy', `${source}:latest`, `${source}:${digestTag}`);
    const hosted = `${world.node.host}/local/app`;
    const back = `${world.hub.host}/back/app`;
    const copy = ['image', 'copy', '--referrers', '--digest-tags'];

    await regctl(...copy, `${source}:latest`, `${hosted}:1`);
    await regctl(...copy, `${hosted}:1`, `${back}:1`);

    assert.equal(await digestAt(world.node.url, 'local/app', '1', world.admin), digest);
    assert.equal(await digestAt(world.hub.url, 'back/app', '1'), digest);
    assert.deepEqual(await tagsAt(world.node.url, 'local/app', world.admin), ['1', digestTag]);
    assert.ok((await tagsAt(world.hub.url, 'back/app')).includes(digestTag));
    assert.match(await regctl('artifact', 'tree', `${hosted}:1`), new RegExp(SBOM));
    assert.match(await regctl('artifact', 'tree', `${back}:1`), new RegExp(SBOM));
  });

  it('lists tags and deletes one of two tags on the same image', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.hub, 'library/x');
    const regctl = await regctlOf(world);
    const hosted = `${world.node.host}/local/x`;
    await regctl('image', 'copy', `${world.hub.host}/library/x:latest`, `${hosted}:1`);
    await regctl('image', 'copy', `${hosted}:1`, `${hosted}:2`);
    assert.equal(await regctl('tag', 'ls', hosted), '1\n2');

    await regctl('tag', 'delete', `${hosted}:1`);

    assert.equal(await regctl('tag', 'ls', hosted), '2');
    assert.equal(await digestAt(world.node.url, 'local/x', '2', world.admin), digest);
  });

  it('copies out of the node cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const regctl = await regctlOf(world);
    const cached = `${world.node.host}/docker.io/library/x:latest`;
    let pulls = 0;

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      async pull() {
        const layout = `ocidir://${regctl.at(`pulled-${++pulls}`)}:latest`;
        await regctl('image', 'copy', cached, layout);
        return regctl('image', 'digest', layout);
      },
    });
  });

  it('sees upstream referrers and tags through the node, and again with the upstream gone', async () => {
    await using world = await startWorld();
    const digest = await world.publish(world.ghcr, 'team/app');
    const regctl = await regctlOf(world);
    await attach(regctl, `${world.ghcr.host}/team/app:latest`);
    const cached = `${world.node.host}/ghcr.io/team/app`;
    const copy = ['image', 'copy', '--referrers', `${cached}:latest`];

    await regctl(...copy, `ocidir://${regctl.at('online')}:latest`);
    const tags = await regctl('tag', 'ls', cached);
    assert.match(tags, /^latest$/m);

    await world.stopUpstreams();
    await regctl(...copy, `ocidir://${regctl.at('offline')}:latest`);
    const offline = `ocidir://${regctl.at('offline')}:latest`;
    assert.equal(await regctl('image', 'digest', offline), digest);
    assert.match(await regctl('artifact', 'tree', offline), new RegExp(SBOM));
    assert.match(await regctl('tag', 'ls', cached), /^latest$/m);
  });
});

/** regctl that knows the world's registries as plain HTTP, logged in at the node as its admin. */
async function regctlOf(world: World): Promise<Tool> {
  const regctl = await toolIn(world, 'regctl', { REGCTL_CONFIG: world.at('regctl.json') });
  for (const host of [world.hub.host, world.ghcr.host, world.node.host]) {
    await regctl('registry', 'set', '--skip-check', '--tls', 'disabled', host);
  }
  const login = ['registry', 'login', '-u', 'admin', '--pass-stdin', world.node.host];
  await regctl.given(world.node.adminPassword, ...login);
  return regctl;
}

async function attach(regctl: Tool, subject: string): Promise<void> {
  await writeFile(regctl.at('sbom.json'), '{}');
  await regctl(
    'artifact',
    'put',
    '--subject',
    subject,
    '--artifact-type',
    SBOM,
    '--file',
    'sbom.json',
    '--file-media-type',
    'application/json',
  );
}
