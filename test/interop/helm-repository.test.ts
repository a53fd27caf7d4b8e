/** A classic repository, made by helm itself, as a source of OCI charts. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseManifest } from '../../src/oci/manifest.ts';
import { connectPeer } from '../support/registry-peer.ts';
import { serve } from '../support/serve.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { type Tool, toolIn } from './support/tools.ts';
import { startWorld, type World } from './support/world.ts';

const signal = AbortSignal.timeout(240_000);

describe('a classic Helm repository', { timeout: 300_000 }, () => {
  it('gives what helm itself would push: the same archive, the same metadata', async () => {
    await using directory = await temporaryDirectory();
    await using web = await serveFolder(directory.path);
    await using world = await worldOver(web.url);
    const helm = await repositoryAt(world, directory.path);
    using repository = connectPeer({ adapter: 'helm', url: web.url });
    const [username = '', password = ''] = world.admin.split(':');
    using node = connectPeer({ url: world.node.url, credential: { username, password } });

    const login = ['registry', 'login', world.node.host, '-u', 'admin', '--password-stdin'];
    await helm.given(world.node.adminPassword, ...login, '--plain-http');
    const archive = join(directory.path, 'c-0.2.0.tgz');
    await helm('push', archive, `oci://${world.node.host}/local/charts`, '--plain-http');
    const pushed = await node.peer.manifest('local/charts/c', '0.2.0', { signal });
    const made = await repository.peer.manifest('c', '0.2.0', { signal });

    const parts = ({ bytes, descriptor }: typeof made) =>
      parseManifest(bytes, descriptor.mediaType).references.map(({ mediaType, digest, size }) => ({
        mediaType,
        digest,
        size,
      }));
    assert.deepEqual(parts(made), parts(pushed));
  });

  it('is pulled from as from an OCI registry, through the node', async () => {
    await using directory = await temporaryDirectory();
    await using web = await serveFolder(directory.path);
    await using world = await worldOver(web.url);
    const helm = await repositoryAt(world, directory.path);
    await mkdir(helm.at('pulled'));
    const chart = `oci://${world.node.host}/charts.example/c`;

    const shown = await helm('show', 'chart', chart, '--version', '^0.1', '--plain-http');
    const to = ['--plain-http', '--destination', helm.at('pulled')];
    await helm('pull', chart, '--version', '0.2.0', ...to);

    assert.match(shown, /^version: 0\.1\.0\+build\.5$/m);
    const original = await readFile(join(directory.path, 'c-0.2.0.tgz'));
    assert.deepEqual(await readFile(helm.at('pulled/c-0.2.0.tgz')), original);
  });
});

/** Two versions of a chart that has most of what a chart may have. */
async function repositoryAt(world: World, folder: string): Promise<Tool> {
  const helm = await toolIn(world, 'helm');
  await helm('create', 'c');
  for (const version of ['0.1.0+build.5', '0.2.0']) {
    await helm('package', 'c', '--version', version, '--app-version', '1.0', '-d', folder);
    // `helm push` sends along what lies beside the archive, and checks none of it.
    const signed = `-----BEGIN PGP SIGNED MESSAGE-----\n\nversion: ${version}\n`;
    await writeFile(join(folder, `c-${version}.tgz.prov`), signed);
  }
  await helm('repo', 'index', folder);
  return helm;
}

function worldOver(url: URL): Promise<World> {
  return startWorld({
    configuration: {
      endpoints: {
        'charts.example': { adapter: 'helm', url: url.href, allowPrivateAddress: true },
      },
      projects: {
        local: { public: true },
        'charts.example': { public: true, proxy: { endpoints: ['charts.example'] } },
      },
    },
  });
}

function serveFolder(folder: string) {
  return serve(
    createServer((request, response) => {
      readFile(join(folder, decodeURIComponent(request.url ?? '/'))).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    }),
  );
}
