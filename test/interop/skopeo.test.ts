import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Containers, containersIn } from './support/containers.ts';
import { makeImage } from './support/images.ts';
import { digestAt, tagsAt } from './support/wire.ts';
import { pullsColdWarmAndOffline, startWorld, type World } from './support/world.ts';

const PLAIN = ['--src-tls-verify=false', '--dest-tls-verify=false'];

describe('skopeo', { timeout: 300_000 }, () => {
  it('pushes an image in OCI form and pulls back the same digest', async () => {
    await using world = await startWorld();
    const image = await makeImage(world.at('image'), 'skopeo');
    const { skopeo } = await containersIn(world.at('skopeo'), '');
    const pushed = `docker://${world.node.host}/local/x:1`;

    await skopeo('copy', ...PLAIN, '--dest-creds', world.admin, image, pushed);

    const digest = await digestAt(world.node.url, 'local/x', '1', world.admin);
    const folder = `dir:${world.at('back')}`;
    await skopeo('copy', ...PLAIN, '--src-creds', world.admin, pushed, folder);
    assert.equal(await digestOf(skopeo, world.at('back')), digest);
  });

  it('pushes an image in Docker form, which stays Docker form', async () => {
    await using world = await startWorld();
    const image = await makeImage(world.at('image'), 'skopeo v2s2');
    const { skopeo } = await containersIn(world.at('skopeo'), '');
    const pushed = `docker://${world.node.host}/local/x:v2s2`;

    await skopeo('copy', ...PLAIN, '--format', 'v2s2', '--dest-creds', world.admin, image, pushed);

    const raw = await skopeo(
      'inspect',
      '--raw',
      '--tls-verify=false',
      '--creds',
      world.admin,
      pushed,
    );
    assert.match(raw, /application\/vnd\.docker\.distribution\.manifest\.v2\+json/);
  });

  it('lists tags and deletes what it pushed', async () => {
    await using world = await startWorld();
    const image = await makeImage(world.at('image'), 'skopeo');
    const { skopeo } = await containersIn(world.at('skopeo'), '', {
      logins: { [world.node.host]: world.admin },
    });
    const repository = `docker://${world.node.host}/local/x`;
    await skopeo('copy', ...PLAIN, image, `${repository}:1`);
    await skopeo('copy', ...PLAIN, image, `${repository}:2`);
    assert.match(await skopeo('list-tags', '--tls-verify=false', repository), /"1",\s+"2"/);

    // skopeo resolves the tag and deletes the manifest, so every tag on it goes too.
    await skopeo('delete', '--tls-verify=false', `${repository}:1`);

    await assert.rejects(skopeo('inspect', '--tls-verify=false', `${repository}:1`));
    assert.deepEqual(await tagsAt(world.node.url, 'local/x', world.admin).catch(() => []), []);
  });

  it('copies out of the node by project path, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.ghcr, 'team/app');
    const { skopeo } = await containersIn(world.at('skopeo'), '');

    await pullsColdWarmAndOffline(world, {
      upstream: world.ghcr,
      repository: 'team/app',
      pull: () => copyOut(world, skopeo, `${world.node.host}/ghcr.io/team/app`),
    });
  });

  it('copies a name that registries.conf rewrites, cold, warm and with the upstream gone', async () => {
    await using world = await startWorld();
    await world.publish(world.hub, 'library/x');
    const { skopeo } = await containersIn(
      world.at('skopeo'),
      `[[registry]]
prefix = "docker.io"
location = "${world.node.host}/docker.io"
insecure = true`,
    );

    await pullsColdWarmAndOffline(world, {
      upstream: world.hub,
      repository: 'library/x',
      pull: () => copyOut(world, skopeo, 'docker.io/library/x'),
    });
  });
});

let copies = 0;

async function copyOut(world: World, skopeo: Containers['skopeo'], name: string): Promise<string> {
  const folder = world.at(`out-${++copies}`);
  await skopeo('copy', ...PLAIN, `docker://${name}`, `dir:${folder}`);
  return digestOf(skopeo, folder);
}

const digestOf = (skopeo: Containers['skopeo'], folder: string): Promise<string> =>
  skopeo('manifest-digest', `${folder}/manifest.json`);
