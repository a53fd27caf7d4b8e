/** Registries of every kind that a matrix copies from, and to. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import got from 'got';
import type { PeerSettings } from '../../support/registry-peer.ts';
import { type AmazonApi, startEcr } from './ecr.ts';
import { REPOSITORIES, type Side } from './matrix-content.ts';
import { clientEnvironment, freePort, startDaemon } from './processes.ts';
import { answers, type Registry, startPortolan, startStockRegistry } from './registries.ts';
import { basic, tagsAt } from './wire.ts';

export interface MatrixSide extends Side, AsyncDisposable {
  /** As the configuration of the node that copies has it; undefined for that node. */
  readonly endpoint: PeerSettings | undefined;
  /** Before anything is pushed by clients. */
  prepare?(): Promise<void>;
  /** After it was. */
  settle?(): Promise<void>;
}

/** Starts one whose data is in the folder. */
export type StartSide = (
  folder: string,
  shared: { readonly amazon: AmazonApi; readonly projects: object },
) => Promise<MatrixSide>;

const { ZOT } = process.env;

/** By their names. zot takes part where `ZOT` names its program. */
export const SIDES: Readonly<Record<string, StartSide>> = {
  portolan: async (folder, { projects }) => {
    const node = await startPortolan(folder, { configuration: { projects } });
    const credential = { username: 'admin', password: node.adminPassword };
    const endpoint = { adapter: 'distribution', url: node.url, credential };
    return { ...node, login: `admin:${node.adminPassword}`, endpoint };
  },
  distribution2: async (folder) => plain(await startStockRegistry(folder)),
  distribution3: async (folder) => plain(await startStockRegistry(folder, { command: 'registry' })),
  ecr: async (folder, { amazon }) => {
    const registry = await startEcr(folder, amazon);
    return {
      ...registry,
      async prepare() {
        for (const name of REPOSITORIES) await registry.createRepository(name);
      },
      async settle() {
        for (const name of REPOSITORIES) {
          for (const tag of await tagsAt(registry.url, name, registry.login)) {
            await registry.tell(name, tag, await manifestAt(registry, name, tag));
          }
        }
      },
    };
  },
  ...(ZOT === undefined ? {} : { zot: async (folder) => plain(await startZot(folder, ZOT)) }),
};

function plain(registry: Registry): MatrixSide {
  const endpoint = { adapter: 'distribution', url: registry.url };
  return { ...registry, login: undefined, endpoint };
}

async function manifestAt({ url, login }: Side, repository: string, tag: string) {
  const { headers, body } = await got(`${url}/v2/${repository}/manifests/${tag}`, {
    headers: {
      accept:
        'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
      authorization: basic(login ?? ''),
    },
  });
  return {
    manifest: body,
    digest: String(headers['docker-content-digest']),
    mediaType: String(headers['content-type']),
  };
}

async function startZot(folder: string, program: string): Promise<Registry> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'config.json');
  await writeFile(
    file,
    JSON.stringify({
      distSpecVersion: '1.1.1',
      storage: { rootDirectory: join(folder, 'data') },
      // Without it, nothing in Docker's form.
      http: { address: '127.0.0.1', port: `${port}`, compat: ['docker2s2'] },
      log: { level: 'info' },
    }),
  );
  const host = `127.0.0.1:${port}`;
  const daemon = await startDaemon(program, ['serve', file], {
    env: clientEnvironment(folder),
    logFile: join(folder, 'zot.log'),
    isReady: () => answers(`http://${host}/v2/`),
  });
  return { ...daemon, host, url: `http://${host}` };
}
