import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { makeImage, pushImage } from './support/images.ts';
import { clientEnvironment, must } from './support/processes.ts';
import {
  endpointAt,
  type NodeProcess,
  type Registry,
  startPortolan,
  startStockRegistry,
} from './support/registries.ts';
import { digestAt } from './support/wire.ts';

describe('the node in front of', { timeout: 300_000 }, () => {
  it('distribution 3', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    await using upstream = await startStockRegistry(at('upstream'), { command: 'registry' });
    const digest = await publish(directory.path, `${upstream.host}/team/app`);
    await using node = await startPortolan(at('node'), {
      configuration: endpointAt('ghcr.io', upstream.url),
    });

    await pullsWhole(directory.path, node, { name: 'ghcr.io/team/app', digest });

    await upstream.stop();
    await pullsWhole(directory.path, node, { name: 'ghcr.io/team/app', digest });
  });

  it('a registry that wants a password, which it alone gets to see', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const env = clientEnvironment(directory.path);
    await writeFile(at('htpasswd'), await must('htpasswd', ['-Bbn', 'me', 'pass-word'], { env }));
    await using upstream = await startStockRegistry(at('upstream'), {
      more: { auth: { htpasswd: { realm: 'upstream', path: at('htpasswd') } } },
    });
    const digest = await publish(directory.path, `${upstream.host}/team/app`, 'me:pass-word');
    await using node = await startPortolan(at('node'), {
      configuration: behind('ghcr.io', upstream, { username: 'me', password: 'pass-word' }),
    });

    await pullsWhole(directory.path, node, { name: 'ghcr.io/team/app', digest });

    for (const secret of ['pass-word', btoa('me:pass-word')]) {
      assert.ok(!node.log().includes(secret), 'the log does not have it');
    }
  });

  it('a registry that does not take the password: its refusal is not taken for an absence', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const env = clientEnvironment(directory.path);
    await writeFile(at('htpasswd'), await must('htpasswd', ['-Bbn', 'me', 'pass-word'], { env }));
    await using upstream = await startStockRegistry(at('upstream'), {
      more: { auth: { htpasswd: { realm: 'upstream', path: at('htpasswd') } } },
    });
    await publish(directory.path, `${upstream.host}/team/app`, 'me:pass-word');
    await using node = await startPortolan(at('node'), {
      configuration: behind('ghcr.io', upstream, { username: 'me', password: 'wrong' }),
    });

    const pull = crane(directory.path, 'digest', `${node.host}/ghcr.io/team/app`);

    await assert.rejects(pull, /403|DENIED/);
  });

  it('another node, of which it pulls a private project by token', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    await using upstream = await startPortolan(at('upstream'), {
      configuration: { projects: { team: { public: false } } },
    });
    const admin = { username: 'admin', password: upstream.adminPassword };
    const login = `admin:${upstream.adminPassword}`;
    const digest = await publish(directory.path, `${upstream.host}/team/app`, login);
    await using node = await startPortolan(at('node'), {
      configuration: behind('ghcr.io', upstream, admin),
      env: { PORTOLAN_ADMIN_PASSWORD: 'another-password' },
    });

    await assert.rejects(digestAt(upstream.url, 'team/app', 'latest'), 'it is private');
    await pullsWhole(directory.path, node, { name: 'ghcr.io/team/app', digest });

    await upstream.stop();
    await pullsWhole(directory.path, node, { name: 'ghcr.io/team/app', digest });
    assert.ok(!node.log().includes(upstream.adminPassword));
  });
});

describe('distribution 3 as a pull-through cache', { timeout: 300_000 }, () => {
  it('takes the node for its upstream', async () => {
    await using directory = await temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    await using hub = await startStockRegistry(at('hub'));
    const digest = await publish(directory.path, `${hub.host}/library/x`);
    await using node = await startPortolan(at('node'), {
      configuration: endpointAt('docker.io', hub.url, 'docker-hub'),
    });
    await using cache = await startStockRegistry(at('cache'), {
      command: 'registry',
      more: { proxy: { remoteurl: node.url } },
    });

    await pullsWhole(directory.path, cache, { name: 'docker.io/library/x', digest });
  });
});

async function publish(folder: string, repository: string, credentials?: string): Promise<string> {
  const image = await makeImage(join(folder, 'image'), repository);
  return pushImage(image, `${repository}:latest`, {
    folder,
    ...(credentials === undefined ? {} : { credentials }),
  });
}

/** A public project that pulls through with a credential. */
const behind = (
  name: string,
  upstream: Registry,
  credential: { username: string; password: string },
): Record<string, unknown> => ({
  endpoints: {
    [name]: { adapter: 'distribution', url: upstream.url, allowPrivateAddress: true, credential },
  },
  projects: {
    [name]: { public: true, proxy: { endpoints: [name], exposePrivate: true } },
  },
});

const crane = (folder: string, ...args: string[]): Promise<string> =>
  must('crane', args, { env: clientEnvironment(folder) });

/** Pulls every byte of the image and compares each with its digest. */
async function pullsWhole(
  folder: string,
  registry: Registry | NodeProcess,
  { name, digest }: { name: string; digest: string },
): Promise<void> {
  const image = `${registry.host}/${name}`;
  assert.equal(await crane(folder, 'digest', image), digest);
  await crane(folder, 'validate', '--remote', `${image}@${digest}`);
}
