import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { startDockerd } from './support/engines.ts';
import { makeImage, pushImage } from './support/images.ts';
import { endpointAt, startPortolan, startStockRegistry } from './support/registries.ts';

const HUB_LOGIN = 'hub-user:hub-secret-token';

describe('docker pulls through the node', { timeout: 300_000 }, () => {
  it('by project path and by mirror name, then again while the upstream is gone', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    await using hub = await startStockRegistry(at('hub'));
    const image = await makeImage(directory.path, 'first slice');
    const digest = await pushImage(image, `${hub.host}/library/x:latest`, {
      folder: directory.path,
    });
    await using node = await startPortolan(at('node'), {
      configuration: endpointAt('docker.io', hub.url, 'docker-hub'),
      mirrors: ['docker.io'],
    });
    await using engine = await startDockerd(at('engine'), {
      mirror: `http://${node.mirrors['docker.io']}`,
      dockerHubLogin: HUB_LOGIN,
    });
    const byPath = `${node.host}/docker.io/library/x`;
    const digestOfImage = async (name: string) =>
      engine.docker('image', 'inspect', '--format', '{{index .RepoDigests 0}}', name);

    await engine.docker('pull', `${byPath}:latest`);
    assert.equal(await digestOfImage(byPath), `${byPath}@${digest}`);
    assert.equal(await engine.docker('run', '--rm', '--network', 'none', byPath), 'first slice');
    await engine.docker('rmi', byPath);

    await engine.docker('pull', 'x');
    assert.equal(await digestOfImage('x'), `x@${digest}`);
    await engine.docker('rmi', 'x');

    await hub.stop();
    await engine.docker('pull', 'x');
    assert.equal(await digestOfImage('x'), `x@${digest}`);
    await engine.docker('pull', `${byPath}@${digest}`);

    for (const log of [node.log(), hub.log(), await readFile(at('engine/dockerd.log'), 'utf8')]) {
      assert.ok(!log.includes('hub-secret-token'), 'no log has the password');
      assert.ok(!log.includes(btoa(HUB_LOGIN)), 'no log has the Basic credential');
    }
  });
});
