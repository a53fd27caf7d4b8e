import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { certificateIn } from '../http/support/certificate.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { makeImage, pushImage } from './support/images.ts';
import { clientEnvironment, freePort, must } from './support/processes.ts';
import { startPortolan, startStockRegistry } from './support/registries.ts';

describe('a node with a certificate', { timeout: 300_000 }, () => {
  it('takes pushes and serves pulls over TLS, and trusts an upstream by its CA file', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const { certFile, keyFile } = await certificateIn(directory.path);
    const port = await freePort();
    await using hub = await startStockRegistry(at('hub'), {
      port,
      more: {
        http: { addr: `127.0.0.1:${port}`, tls: { certificate: certFile, key: keyFile } },
      },
    });
    const image = await makeImage(at('image'), 'tls');
    const digest = await pushImage(image, `${hub.host}/library/x:latest`, { folder: at('image') });
    await using node = await startPortolan(at('node'), {
      configuration: {
        listen: { tls: { certFile, keyFile } },
        endpoints: {
          'docker.io': {
            adapter: 'docker-hub',
            url: `https://${hub.host}`,
            allowPrivateAddress: true,
            caFile: certFile,
          },
        },
      },
    });
    const env = clientEnvironment(directory.path, {
      SSL_CERT_FILE: certFile,
      DOCKER_CONFIG: directory.path,
    });
    const crane = (...args: string[]) => must('crane', args, { env });

    await crane('auth', 'login', node.host, '-u', 'admin', '-p', node.adminPassword);
    await crane('copy', `${node.host}/docker.io/library/x`, `${node.host}/local/x`);

    assert.equal(await crane('digest', `${node.host}/local/x`), digest);
    await crane('validate', '--remote', `${node.host}/local/x`);
  });
});
