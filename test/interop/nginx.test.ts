import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import got from 'got';
import { z } from 'zod';
import { startNginx } from './support/nginx.ts';
import { toolIn } from './support/tools.ts';
import { digestAt } from './support/wire.ts';
import { startWorld, type World } from './support/world.ts';

describe('a node behind nginx', { timeout: 300_000 }, () => {
  it('takes pushes and serves pulls, cold and warm, while nginx sends the blobs', async () => {
    await using world = await behindNginx();
    await using nginx = await startNginx(world.at('nginx'), {
      node: world.node.url,
      data: world.at('node/data'),
    });
    const digest = await world.publish(world.hub, 'library/x');
    const crane = await toolIn(world, 'crane');
    const cached = `${nginx.host}/docker.io/library/x`;
    await crane('auth', 'login', nginx.host, '-u', 'admin', '-p', world.node.adminPassword);

    await crane('copy', cached, `${nginx.host}/local/x`);

    assert.equal(await digestAt(nginx.url, 'docker.io/library/x', digest), digest);
    await crane('validate', '--remote', cached);
    await crane('validate', '--remote', `${nginx.host}/local/x`);
    const layer = await layerOf(nginx.url, digest);
    const { headers, rawBody } = await got(`${nginx.url}/v2/docker.io/library/x/blobs/${layer}`, {
      headers: { range: 'bytes=10-19' },
    });
    assert.equal(headers['x-sent-by'], 'nginx');
    assert.equal(headers['docker-content-digest'], layer);
    assert.equal(headers.etag, `"${layer}"`);
    assert.equal(rawBody.length, 10);
  });
});

const behindNginx = (): Promise<World> =>
  startWorld({
    configuration: {
      listen: { trustedProxies: ['127.0.0.1/32'] },
      storage: { accelRedirect: '/internal-blobs/' },
    },
  });

const Manifest = z.object({ layers: z.array(z.object({ digest: z.string() })) });

async function layerOf(url: string, digest: string): Promise<string> {
  const accept = 'application/vnd.oci.image.manifest.v1+json';
  const body = await got(`${url}/v2/docker.io/library/x/manifests/${digest}`, {
    headers: { accept },
  }).json();
  return Manifest.parse(body).layers[0]?.digest ?? '';
}
