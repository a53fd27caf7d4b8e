import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import got from 'got';
import { stringify } from 'yaml';
import {
  clientEnvironment,
  type Daemon,
  freePort,
  startDaemon,
} from '../../interop/support/processes.ts';
import { answers } from '../../interop/support/registries.ts';
import { UPSTREAM_ADDRESS } from './namespaces.ts';

export const ADMIN_PASSWORD = 'bench-admin-password';
const REPOSITORY_ROOT = join(import.meta.dirname, '../../..');

export interface Contestant extends Daemon {
  readonly url: string;
}

/** How a server of the bench is started: where, and on which processor. */
interface Place {
  readonly folder: string;
  readonly prefix: readonly [string, ...string[]];
  readonly address: string;
  /** Where it listens, if not at that address alone. */
  readonly listen?: string;
}

/** On the servers' own processor, in this process's namespace. */
const onServerCore = (folder: string): Place => ({
  folder,
  prefix: ['taskset', '-c', '0'],
  address: '127.0.0.1',
});

async function startDockerRegistry(
  place: Place,
  more: Record<string, unknown>,
  program = 'docker-registry',
): Promise<Contestant> {
  const port = await freePort();
  await mkdir(place.folder, { recursive: true });
  const file = join(place.folder, 'config.yml');
  await writeFile(
    file,
    stringify({
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(place.folder, 'data') } },
      http: { addr: `${place.listen ?? place.address}:${port}` },
      ...more,
    }),
  );
  const url = `http://${place.address}:${port}`;
  const [command, ...args] = place.prefix;
  const daemon = await startDaemon(command, [...args, program, 'serve', file], {
    env: clientEnvironment(place.folder),
    logFile: join(place.folder, 'log'),
    isReady: () => answers(`${url}/v2/`),
  });
  return { ...daemon, url };
}

export const dockerRegistry = (folder: string) => startDockerRegistry(onServerCore(folder), {});

export const dockerRegistryProxy = (folder: string, upstream: string) =>
  startDockerRegistry(onServerCore(folder), { proxy: { remoteurl: upstream } });

/** The registry at the other end of the link. */
export const upstreamRegistry = (folder: string, namespace: string) =>
  startDockerRegistry(
    { folder, prefix: ['ip', 'netns', 'exec', namespace], address: UPSTREAM_ADDRESS },
    {},
  );

/** distribution 3, which `.ci/install` brings. */
const STOCK = 'registry';

export const stockRegistry = (folder: string) =>
  startDockerRegistry(onServerCore(folder), {}, STOCK);

/** In the namespace, at all of its addresses. */
export const farStockRegistry = (folder: string, namespace: string) =>
  startDockerRegistry(
    {
      folder,
      prefix: ['ip', 'netns', 'exec', namespace],
      address: UPSTREAM_ADDRESS,
      listen: '0.0.0.0',
    },
    {},
    STOCK,
  );

/**
 * This repository's node. With an upstream, its project `docker.io` caches from there.
 *
 * @param more of its configuration
 */
export async function portolan(
  folder: string,
  upstream?: string,
  more: Record<string, unknown> = {},
): Promise<Contestant> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'config.yaml');
  await writeFile(
    file,
    stringify({
      listen: { address: `127.0.0.1:${port}` },
      data: join(folder, 'data'),
      // As the peers: no line for each request.
      telemetry: { accessLog: false },
      projects: { bench: { public: true }, closed: { public: false } },
      ...(upstream === undefined
        ? {}
        : {
            endpoints: {
              'docker.io': { adapter: 'docker-hub', url: upstream, allowPrivateAddress: true },
            },
          }),
      ...more,
    }),
  );
  const url = `http://127.0.0.1:${port}`;
  const daemon = await startDaemon(
    'taskset',
    [
      '-c',
      '0',
      process.execPath,
      join(REPOSITORY_ROOT, 'bin/portolan.js'),
      'serve',
      '--config',
      file,
    ],
    {
      env: {
        ...clientEnvironment(folder),
        PORTOLAN_ADMIN_PASSWORD: ADMIN_PASSWORD,
      },
      logFile: join(folder, 'log'),
      isReady: () => answers(`${url}/v2/`),
    },
  );
  return { ...daemon, url };
}

/** Of who may everything on this repository's node. */
export const AUTHORIZATION = `Basic ${Buffer.from(`admin:${ADMIN_PASSWORD}`).toString('base64')}`;
const headers = { authorization: AUTHORIZATION };

/** Pushes random bytes; returns their digest. */
export async function pushBlob(
  registry: string,
  repository: string,
  size: number,
): Promise<string> {
  return pushBytes(registry, repository, randomBytes(size));
}

async function pushBytes(registry: string, repository: string, bytes: Buffer): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const start = await got.post(`${registry}/v2/${repository}/blobs/uploads/`, { headers });
  const location = new URL(start.headers.location ?? '', registry);
  location.searchParams.set('digest', digest);
  await got.put(location, {
    headers: { ...headers, 'content-type': 'application/octet-stream' },
    body: bytes,
  });
  return digest;
}

/** Pushes an image with that one layer, and a configuration of its own, under the tag. */
export async function pushImageOf(
  registry: string,
  {
    repository,
    tag,
    layer,
  }: { readonly repository: string; readonly tag: string; readonly layer: Buffer },
): Promise<void> {
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Labels: { tag } } }),
  );
  const configured = { digest: await pushBytes(registry, repository, config), size: config.length };
  const layered = { digest: await pushBytes(registry, repository, layer), size: layer.length };
  await putManifest(registry, repository, { tag, config: configured, layers: [layered] });
}

/** Pushes a small image manifest under the tag. */
export async function pushManifest(
  registry: string,
  repository: string,
  tag: string,
): Promise<void> {
  const config = { digest: await pushBlob(registry, repository, 512), size: 512 };
  await putManifest(registry, repository, {
    tag,
    config,
    layers: Array.from({ length: 8 }, () => config),
  });
}

interface Content {
  readonly digest: string;
  readonly size: number;
}

async function putManifest(
  registry: string,
  repository: string,
  {
    tag,
    config,
    layers,
  }: { readonly tag: string; readonly config: Content; readonly layers: readonly Content[] },
): Promise<void> {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map((layer) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      ...layer,
    })),
  };
  await got.put(`${registry}/v2/${repository}/manifests/${tag}`, {
    headers: { ...headers, 'content-type': mediaType },
    body: JSON.stringify(manifest),
  });
}
