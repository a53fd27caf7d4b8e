import { readFileSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
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
  await mkdir(folder, { recursive: true });
  const adminPassword = 'interop-admin-password';
  const file = join(folder, 'config.yaml');
  const logFile = join(folder, 'portolan.log');
  const { listen, ...rest } = configuration;
  await writeFile(
    file,
    stringify({
      listen: {
        // Taken by the node itself: a port that was free a moment ago may be somebody else's by now.
        address: `127.0.0.1:${port ?? 0}`,
        mirrors: mirrors.map((upstream) => ({ address: '127.0.0.1:0', upstream })),
        ...(typeof listen === 'object' && listen !== null ? listen : {}),
      },
      data: join(folder, 'data'),
      ...rest,
    }),
  );
  const before = await stat(logFile).then(
    ({ size }) => size,
    () => 0,
  );
  const addresses = () => addressesIn(readFileSync(logFile).subarray(before).toString());
  const daemon = await startDaemon(
    process.execPath,
    [...nodeArguments, join(REPOSITORY_ROOT, 'bin/portolan.js'), 'serve', '--config', file],
    {
      env: { ...clientEnvironment(folder), PORTOLAN_ADMIN_PASSWORD: adminPassword, ...env },
      logFile,
      isReady: async () => addresses().length > mirrors.length,
    },
  );
  const [own, ...others] = addresses();
  if (own === undefined) throw new Error('the node says no address');
  return {
    ...daemon,
    host: own.host,
    url: own.url,
    adminPassword,
    mirrors: Object.fromEntries(others.map(({ host, mirror = '' }) => [mirror, host])),
  };
}

/** What the node says of itself when it is ready: `http://127.0.0.1:5001  as a mirror of docker.io`. */
function addressesIn(log: string): { url: string; host: string; mirror?: string | undefined }[] {
  const lines = log.matchAll(
    /^ {2}(?:listening)? +(https?:\/\/(127\.0\.0\.1:\d+))(?: {2}as a mirror of (\S+))?$/gm,
  );
  return [...lines].map(([, url = '', host = '', mirror]) => ({ url, host, mirror }));
}

/** An endpoint of that name which is the registry at `url`, in the vendor's role. */
export function endpointAt(
  name: string,
  url: string,
  adapter: 'docker-hub' | 'distribution' = 'distribution',
): Record<string, unknown> {
  return { endpoints: { [name]: { adapter, url, allowPrivateAddress: true } } };
}
