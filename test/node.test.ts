import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import got from 'got';
import { type Config, loadConfig } from '../src/config/load.ts';
import { type PortolanNode, startNode } from '../src/node.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { startUpstream } from './support/upstream.ts';

async function configOf(folder: string, yaml: string): Promise<Config> {
  const file = join(folder, 'config.yaml');
  await writeFile(file, `listen: { address: '127.0.0.1:0' }\ndata: ${folder}/data\n${yaml}`);
  return loadConfig({ file, env: {}, overrides: [] });
}

async function start(folder: string, yaml = ''): Promise<PortolanNode> {
  return startNode(await configOf(folder, yaml), { version: '0.0.0' });
}

const LAB = '{ adapter: distribution, url: "https://lab.example"';

describe('a node that starts', () => {
  it('is ready within a second of work, and answers with no upstream in reach', async () => {
    await using directory = await temporaryDirectory();
    const config = await configOf(directory.path, '');
    const before = process.cpuUsage();

    await using node = await startNode(config, { version: '0.0.0' });

    const { user, system } = process.cpuUsage(before);
    const tookMs = (user + system) / 1000;
    const [address] = node.addresses;
    const ready = await got(`http://127.0.0.1:${address?.port}/readyz`).json();
    assert.deepEqual(ready, { ready: true, checks: { database: 'ok', storage: 'ok' } });
    assert.ok(tookMs < 1000, `${Math.round(tookMs)} ms`);
  });

  it('refuses a credential for the endpoint of a public project that an older file declared', async () => {
    await using directory = await temporaryDirectory();
    const projects =
      'projects: { lab: { public: true, proxy: { endpoints: [lab], upstreamHost: lab.example } } }';
    await (await start(directory.path, `endpoints: { lab: ${LAB} } }\n${projects}\n`)).close({
      deadlineMs: 0,
    });

    const credential = 'credential: { username: me, password: secret }';
    await assert.rejects(start(directory.path, `endpoints: { lab: ${LAB}, ${credential} } }\n`), {
      name: 'DeclarationConflict',
      message: /project lab.*is public, and endpoint lab has a credential/,
    });
  });

  it('keeps serving a proxy project whose endpoint only the database knows any more', async () => {
    await using directory = await temporaryDirectory();
    const projects =
      'projects: { lab: { public: true, proxy: { endpoints: [lab], upstreamHost: lab.example } } }';
    await (await start(directory.path, `endpoints: { lab: ${LAB} } }\n${projects}\n`)).close({
      deadlineMs: 0,
    });

    await using node = await start(directory.path);

    const lab = node.projects.find(({ name }) => name === 'lab');
    assert.equal(lab?.declared, false);
    assert.deepEqual(lab?.endpoints, ['lab']);
  });

  it('takes no pushes into a proxy project', async () => {
    await using directory = await temporaryDirectory();
    await using node = await start(directory.path, 'admin: { password: pw }\n');
    const url = `http://127.0.0.1:${node.addresses[0]?.port}/v2/docker.io/library/x/blobs/uploads/`;

    const response = await got.post(url, {
      username: 'admin',
      password: 'pw',
      throwHttpErrors: false,
    });

    assert.equal(response.statusCode, 405);
    assert.match(response.body, /cache of its upstream/);
  });

  it('pulls manifests and blobs through, and keeps them', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await startUpstream();
    const image = upstream.addImage('library/x', 'latest', [Buffer.from('layer')]);
    const layer = image.layers[0]?.digest ?? assert.fail('one layer');
    const hub = `{ adapter: docker-hub, url: "${upstream.url.href}", allowPrivateAddress: true }`;
    await using node = await start(directory.path, `endpoints: { docker.io: ${hub} }\n`);
    const url = `http://127.0.0.1:${node.addresses[0]?.port}/v2`;

    for (const repository of ['docker.io/library/x', 'library/x', 'x']) {
      const head = await got.head(`${url}/${repository}/manifests/latest`);
      const manifest = await got(`${url}/${repository}/manifests/latest`);
      const blob = await got(`${url}/${repository}/blobs/${layer}`);
      assert.equal(head.headers['docker-content-digest'], image.manifest.digest);
      assert.equal(manifest.body, image.bytes.toString());
      assert.equal(blob.body, 'layer');
    }

    assert.equal(upstream.count({ method: 'GET', path: /\/manifests\// }), 1);
    assert.equal(upstream.count({ method: 'GET', path: /\/blobs\// }), 1);
  });
});
