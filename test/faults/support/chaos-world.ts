/** A node that copies between registries which come to harm. */
import assert from 'node:assert/strict';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import got from 'got';
import { z } from 'zod';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import { run, until } from '../../interop/support/processes.ts';
import {
  type NodeProcess,
  type Registry,
  startPortolan,
  startStockRegistry,
} from '../../interop/support/registries.ts';
import { basic } from '../../interop/support/wire.ts';
import { type ChaosLink, type IsKept, startChaosLink } from './chaos-link.ts';
import type { TestImage } from './content.ts';
import { smallFilesystem } from './filesystems.ts';
import { type Restartable, restartable } from './restartable.ts';

export const SOURCES = ['distribution-source', 'portolan-source'] as const;
export const DESTINATIONS = ['local', 'portolan', 'distribution', 'distribution-3'] as const;
export type Source = (typeof SOURCES)[number];
export type Destination = (typeof DESTINATIONS)[number];

/** More than the long form leaves on each disk. */
const DISK_MEGABYTES = 3000;
const ADMIN = 'admin:interop-admin-password';

export interface Place {
  readonly registry: Restartable<Registry>;
  /** By which the node that copies comes to it; undefined for that node itself. */
  readonly link: ChaosLink | undefined;
  readonly login: string | undefined;
  readonly disk: string | undefined;
  /** Of a blob that it read over a link. */
  readonly isKept: IsKept;
}

export interface ChaosWorld extends AsyncDisposable {
  readonly node: Restartable<NodeProcess>;
  readonly sources: Readonly<Record<Source, Place>>;
  readonly destinations: Readonly<Record<Destination, Place>>;
}

export async function startChaosWorld(folder: string): Promise<ChaosWorld> {
  await using opened = new AsyncDisposableStack();
  const disk = async (name: string): Promise<string> => {
    await mkdir(join(folder, name), { recursive: true });
    const filesystem = await smallFilesystem(join(folder, name), DISK_MEGABYTES);
    return opened.use(filesystem).mountPoint;
  };
  const place = async (
    login: string | undefined,
    start: (at: string, port: number | undefined) => Promise<Registry>,
    name: string,
  ): Promise<Place & { readonly link: ChaosLink }> => {
    const at = await disk(name);
    const registry = opened.use(await restartable((port) => start(join(at, 'registry'), port)));
    const link = opened.use(await startChaosLink(registry.url));
    // None of them reads over a link: what they are sent, they acknowledge.
    return { registry, link, login, disk: at, isKept: () => true };
  };
  const remote = {
    'distribution-source': await place(undefined, stock, 'ds'),
    'portolan-source': await place(ADMIN, portolan({ chaos: {} }), 'ps'),
    portolan: await place(ADMIN, portolan({ copies: {} }), 'pd'),
    distribution: await place(undefined, stock, 'dd'),
    'distribution-3': await place(undefined, stock3, 'd3'),
  };
  const endpoints = Object.fromEntries(
    Object.entries(remote).map(([name, { link, login }]) => [name, endpointAt(link, login)]),
  );
  const own = await disk('local');
  const configuration = {
    data: join(own, 'data'),
    projects: { copies: {} },
    seed: false,
    endpoints,
    // So that a connection over which nothing comes any more is given up while the test waits.
    fills: { silence: '2s' },
  };
  const node = opened.use(
    await restartable((port) =>
      startPortolan(join(own, '../node'), { configuration, ...(port && { port }) }),
    ),
  );
  const resources = opened.move();
  return {
    node,
    sources: remote,
    destinations: {
      ...remote,
      local: {
        registry: node,
        link: undefined,
        login: ADMIN,
        disk: own,
        isKept: (digest) => isPresent(join(own, 'data'), digest),
      },
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const stock = (at: string, port: number | undefined): Promise<Registry> =>
  startStockRegistry(at, port === undefined ? {} : { port });

const stock3 = (at: string, port: number | undefined): Promise<Registry> =>
  startStockRegistry(at, { command: 'registry', ...(port && { port }) });

const portolan =
  (projects: object) =>
  (at: string, port: number | undefined): Promise<Registry> =>
    // Its log is on another disk than its data: a node that cannot write what it says ends.
    startPortolan(join(at, '../../node'), {
      configuration: { projects, seed: false, data: join(at, 'data') },
      ...(port && { port }),
    });

/** In the metadata of a node, which may be dead. */
function isPresent(dataFolder: string, digest: string): boolean {
  using database = new DatabaseSync(join(dataFolder, 'portolan.db'), { readOnly: true });
  const present = "SELECT 1 FROM blobs WHERE digest = ? AND state = 'present'";
  return database.prepare(present).get(digest) !== undefined;
}

function endpointAt({ url }: ChaosLink, login: string | undefined): object {
  const [username, password] = login?.split(':') ?? [];
  const credential = login === undefined ? {} : { credential: { username, password } };
  return { adapter: 'distribution', url, allowPrivateAddress: true, ...credential };
}

/** Leaves no room on the disk. @returns what makes room again */
export async function fillUp(disk: string): Promise<() => Promise<void>> {
  const resize = (size: string) => run('mount', ['-o', `remount,size=${size}`, disk]);
  const isFull = await until(async () => {
    const { blocks, bfree, bsize } = await statfs(disk);
    // Refused while more than that is in use.
    return (await resize(String((blocks - bfree) * bsize))).code === 0;
  });
  assert.ok(isFull, 'the disk is full');
  return async () => {
    const size = `${DISK_MEGABYTES}m`;
    assert.ok(await until(async () => (await resize(size)).code === 0), 'there is room again');
  };
}

/** Pushes the image to the registry itself, past its link. */
export async function pushTo(
  { registry, login }: Place,
  reference: { readonly repository: string; readonly tag: string },
  { blobs, manifest }: TestImage,
): Promise<void> {
  const { repository, tag } = reference;
  const headers = login === undefined ? {} : { authorization: basic(login) };
  const base = `${registry.url}/v2/${repository}`;
  for (const body of blobs) {
    const { headers: opened } = await got.post(`${base}/blobs/uploads/`, { headers });
    const upload = new URL(opened.location ?? '', registry.url);
    upload.searchParams.set('digest', digestOf(body));
    const type = { 'content-type': 'application/octet-stream' };
    await got.put(upload, { headers: { ...headers, ...type }, body });
  }
  const type = { 'content-type': OCI_MANIFEST };
  await got.put(`${base}/manifests/${tag}`, { headers: { ...headers, ...type }, body: manifest });
}

const Made = z.object({ location: z.string() });

/** Makes a policy of the node that copies. @returns what starts it, and resolves to the execution */
export async function makePolicy(
  { node }: ChaosWorld,
  name: string,
  rules: object,
): Promise<() => Promise<number>> {
  const http = got.extend({
    prefixUrl: `${node.url}/api/portolan/v1/replication`,
    headers: { authorization: basic(ADMIN) },
    retry: { limit: 0 },
  });
  const made = await http.post('policies', { json: { name, rules } });
  const id = Made.parse(made.headers).location.split('/').at(-1);
  return async () => {
    const started = await http.post(`policies/${id}/start`);
    return Number(Made.parse(started.headers).location.split('/').at(-1));
  };
}

/** Says, as somebody would who knows it, that the endpoints work again. */
export async function resume({ node }: ChaosWorld, endpoints: readonly string[]): Promise<void> {
  for (const endpoint of endpoints.filter((name) => name !== 'local')) {
    const path = `api/portolan/v1/replication/endpoints/${endpoint}/resume`;
    await got.post(`${node.url}/${path}`, { headers: { authorization: basic(ADMIN) } });
  }
}
