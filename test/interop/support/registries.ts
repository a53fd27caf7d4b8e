import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import got from 'got';
import { stringify } from 'yaml';
import { clientEnvironment, type Daemon, freePort, startDaemon } from './processes.ts';

export interface Registry extends Daemon {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly url: string;
}

const REPOSITORY_ROOT = join(import.meta.dirname, '../../..');

export async function answers(url: string): Promise<boolean> {
  const response = await got(url, {
    retry: { limit: 0 },
    throwHttpErrors: false,
    https: { rejectUnauthorized: false },
  }).catch(() => undefined);
  return response !== undefined;
}

/** Debian's docker-registry (distribution 2.8.2): the stock registry that others are measured by. */
export async function startStockRegistry(
  folder: string,
  options: { port?: number; more?: Record<string, unknown>; command?: string } = {},
): Promise<Registry> {
  const port = options.port ?? (await freePort());
  await mkdir(folder, { recursive: true });
  const configuration = join(folder, 'config.yml');
  await writeFile(
    configuration,
    stringify({
      version: '0.1',
      log: { level: 'info' },
      storage: {
        filesystem: { rootdirectory: join(folder, 'data') },
        delete: { enabled: true },
      },
      http: { addr: `127.0.0.1:${port}` },
      ...options.more,
    }),
  );
  const host = `127.0.0.1:${port}`;
  const daemon = await startDaemon(options.command ?? 'docker-registry', ['serve', configuration], {
    env: clientEnvironment(folder),
    logFile: join(folder, 'registry.log'),
    isReady: () => answers(`http://${host}/v2/`),
  });
  return { ...daemon, host, url: `http://${host}` };
}

export interface NodeProcess extends Registry {
  readonly adminPassword: string;
  /** By upstream: `127.0.0.1:<port>` of each mirror address that was asked for. */
  readonly mirrors: Readonly<Record<string, string>>;
}

export interface NodeOptions {
  /** Merged over the defaults: loopback, a free port, a known password. */
  readonly configuration?: Record<string, unknown>;
  /** Upstreams to open a mirror address for. */
  readonly mirrors?: readonly string[];
  readonly port?: number;
  readonly env?: Record<string, string>;
  readonly nodeArguments?: readonly string[];
}

/** This repository's node, as `npm start` runs it, with its data in `folder`. */
export async function startPortolan(
  folder: string,
  { configuration = {}, mirrors = [], port, env = {}, nodeArguments = [] }: NodeOptions = {},
): Promise<NodeProcess> {
  const host = `127.0.0.1:${port ?? (await freePort())}`;
  const mirrorHosts: Record<string, string> = {};
  for (const upstream of mirrors) mirrorHosts[upstream] = `127.0.0.1:${await freePort()}`;
  await mkdir(folder, { recursive: true });
  const adminPassword = 'interop-admin-password';
  const file = join(folder, 'config.yaml');
  const { listen, ...rest } = configuration;
  const more = typeof listen === 'object' && listen !== null ? listen : {};
  const url = `${'tls' in more ? 'https' : 'http'}://${host}`;
  await writeFile(
    file,
    stringify({
      listen: {
        address: host,
        mirrors: Object.entries(mirrorHosts).map(([upstream, address]) => ({ address, upstream })),
        ...more,
      },
      data: join(folder, 'data'),
      ...rest,
    }),
  );
  const daemon = await startDaemon(
    process.execPath,
    [...nodeArguments, join(REPOSITORY_ROOT, 'bin/portolan.js'), 'serve', '--config', file],
    {
      env: { ...clientEnvironment(folder), PORTOLAN_ADMIN_PASSWORD: adminPassword, ...env },
      logFile: join(folder, 'portolan.log'),
      isReady: () => answers(`${url}/v2/`),
    },
  );
  return { ...daemon, host, url, adminPassword, mirrors: mirrorHosts };
}

/** An endpoint of that name which is the registry at `url`, in the vendor's role. */
export function endpointAt(
  name: string,
  url: string,
  adapter: 'docker-hub' | 'distribution' = 'distribution',
): Record<string, unknown> {
  return { endpoints: { [name]: { adapter, url, allowPrivateAddress: true } } };
}
