import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { EndpointConfig } from '../../../adapters/index.ts';
import { EvictionRule } from '../../../policies/eviction.ts';
import { createMemoryCache } from '../../../src/cache/cache.ts';
import { createAccessTimes } from '../../../src/catalog/access-times.ts';
import { createBlobs } from '../../../src/catalog/blobs.ts';
import { createCachedBlobs } from '../../../src/catalog/cached-blobs.ts';
import { createCachedManifests } from '../../../src/catalog/cached-manifests.ts';
import { createFills } from '../../../src/catalog/fills.ts';
import { createManifests } from '../../../src/catalog/manifests.ts';
import { removeProject } from '../../../src/catalog/project-changes.ts';
import { createProjects } from '../../../src/catalog/projects.ts';
import { createReferrers } from '../../../src/catalog/referrers.ts';
import { createRepositories } from '../../../src/catalog/repositories.ts';
import { createTags } from '../../../src/catalog/tags.ts';
import { SQLITE } from '../../../src/database/engine.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { openSqlite } from '../../../src/database/sqlite.ts';
import { type Digest, isDigest } from '../../../src/oci/digest.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { createEvictions } from '../../../src/proxy/evictions.ts';
import { createPulls } from '../../../src/proxy/pulls.ts';
import type { RegistryLimits } from '../../../src/registry/limits.ts';
import { createRegistryClient } from '../../../src/registry/registry-client.ts';
import type { BlobStore } from '../../../src/storage/blob-store.ts';
import { openFilesystem } from '../../../src/storage/filesystem.ts';
import { createTransfers } from '../../../src/transfer/transfers.ts';
import { readAll } from '../../storage/conformance.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import type { Behaviour } from '../../support/upstream.ts';
import { startUpstream, type Upstream, type UpstreamOptions } from '../../support/upstream.ts';

export const START = Date.UTC(2026, 10, 21);
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** Where the tests' images are, here and upstream. */
export const REPOSITORY = 'docker.io/library/alpine';
export const PATH = 'library/alpine';
export const MANIFESTS = /\/manifests\//;
export const BLOBS = /\/blobs\//;

export interface WorldOptions {
  /** Of the project `docker.io`, as an operator writes them. */
  readonly settings?: object;
  /** Of the first upstream. */
  readonly upstream?: UpstreamOptions;
  readonly eviction?: object;
  readonly questionDeadlineMs?: number;
  readonly readerPaceMs?: number;
  /** Of each store of hints. */
  readonly cacheBytes?: number;
  /** Of fills: claim room for so many bytes ahead of what has come. */
  readonly claimBytes?: number;
  /** Of the client that asks upstreams. */
  readonly limits?: Partial<RegistryLimits>;
  /** The disk that the node has. */
  readonly disk?: (store: BlobStore) => BlobStore;
}

/**
 * A node's pulls over a real catalog and store: the hosted projects `local` and `secret`, the proxy project `docker.io` of the two
 * mirrors `upstream` and `mirror`, and `other.example` of its own upstream.
 */
export async function openWorld(options: WorldOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const { path: folder } = opened.use(await temporaryDirectory());
  const upstream = opened.use(await startUpstream(options.upstream));
  const mirror = opened.use(await startUpstream());
  const other = opened.use(await startUpstream());
  const clock = { at: START };
  const parts = { folder, clock, upstreams: { hub: upstream, mirror, other }, options };
  let node = await openNode(parts);
  opened.defer(() => node[Symbol.asyncDispose]());
  const resources = opened.move();

  return {
    upstream,
    mirror,
    other,
    get node() {
      return node;
    },
    /** Lets time pass. */
    pass(ms: number): void {
      clock.at += ms;
    },
    /** Removes `docker.io`, as the API does, and makes another project of that name over the upstream `other`. */
    async replaceProject(): Promise<void> {
      const { projects, database } = node;
      const { id } = (await projects.get('docker.io')) ?? { id: 0 };
      await database.write((transaction) =>
        removeProject(transaction, id, { owner: 'admin', at: clock.at }),
      );
      const declared = declarationsOf(parts.upstreams, {});
      await projects.declare({
        ...declared,
        projects: declared.projects.map((project) =>
          project.name === 'docker.io' ? { ...project, endpoints: ['other'] } : project,
        ),
      });
    },
    /** Ends the node as a stop does, and starts another one over the same data. */
    async restart(): Promise<void> {
      await node[Symbol.asyncDispose]();
      node = await openNode(parts);
    },
    manifest(reference: string, repository = REPOSITORY, signal = soon()) {
      return node.pulls.manifest(repository, parseReference(reference), { signal });
    },
    head(reference: string, repository = REPOSITORY, signal = soon()) {
      return node.pulls.headManifest(repository, parseReference(reference), { signal });
    },
    /** All of the blob. */
    async blob(digest: string, repository = REPOSITORY): Promise<Buffer> {
      if (!isDigest(digest)) throw new Error(`${digest} is no digest`);
      const signal = soon();
      await using reader = await node.pulls.blob(repository, digest, { whole: true, signal });
      return await readAll(reader, signal);
    },
    /** Whether the repository has a row. */
    async isKnown(repository: string): Promise<boolean> {
      return (await node.repositories.find(repository)) !== undefined;
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;

/** Every wait of a test ends. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(20_000);
}

/** An image of one layer, in the first upstream. */
export function addImage(
  { upstream }: Pick<World, 'upstream'>,
  tag: string,
  layer: Buffer = randomBytes(1000),
) {
  return { ...upstream.addImage(PATH, tag, [layer]), layer };
}

/** An image whose manifest is here and whose layer is not. */
export async function pulledImage(world: World, size = 1000) {
  const { layer, layers } = addImage(world, '3.20', randomBytes(size));
  await world.manifest('3.20');
  const digest = layers[0]?.digest;
  if (digest === undefined) throw new Error('an image without a layer');
  return { layer, digest };
}

export async function sizeOf(world: World, digest: Digest, repository = REPOSITORY) {
  return world.node.pulls.blobSize(repository, digest, { signal: soon() });
}

interface Parts {
  readonly folder: string;
  readonly clock: { at: number };
  readonly upstreams: Readonly<Record<string, Upstream>>;
  readonly options: WorldOptions;
}

async function openNode({ folder, clock, upstreams, options }: Parts) {
  await using opened = new AsyncDisposableStack();
  const now = (): number => clock.at;
  const files = opened.use(await openFilesystem(join(folder, 'data')));
  const store = options.disk?.(files) ?? files;
  const database = opened.use(await openSqlite({ file: join(folder, 'portolan.db') }));
  await migrate(database, { engine: SQLITE, now });
  const projects = createProjects(database, { now, wellKnownHosts: [] });
  await projects.declare(declarationsOf(upstreams, options.settings ?? {}));

  const accessTimes = opened.use(createAccessTimes({ database, now }));
  const blobs = createBlobs({ database, store, accessTimes, now });
  const cached = createCachedBlobs({ database, accessTimes, now });
  const catalog = {
    projects,
    blobs,
    accessTimes,
    manifests: createManifests({ database, now }),
    tags: createTags({ database, now }),
    repositories: createRepositories(database),
    referrers: createReferrers({ database }),
  };
  const cache = createMemoryCache(
    options.cacheBytes === undefined ? {} : { mostBytes: options.cacheBytes },
  );
  const client = opened.use(
    createRegistryClient({
      userAgent: 'portolan/test',
      cache,
      now,
      // One attempt each, so that tests can count; a circuit that opens is the client's own test.
      limits: {
        attempts: 1,
        breakerFailures: 1000,
        firstByteMs: 10_000,
        connectMs: 5000,
        ...options.limits,
      },
    }),
  );
  const peers = new Map(
    Object.entries(upstreams).map(([name, { url }]) => {
      const adapter = 'distribution';
      const endpoint = EndpointConfig.parse({ adapter, url: url.href, allowPrivateAddress: true });
      return [name, endpoint.connect({ name }, client)];
    }),
  );
  const rule = EvictionRule.parse(options.eviction ?? {});
  const evictions = opened.use(createEvictions({ cached, blobs, store, rule }));
  const transfers = opened.use(
    createTransfers({
      store,
      blobs,
      fills: createFills({ database, now }),
      room: evictions,
      now,
      limits: {
        backoffMs: 5,
        maxBackoffMs: 50,
        attempts: 3,
        ...(options.claimBytes === undefined ? {} : { claimBytes: options.claimBytes }),
      },
    }),
  );
  const { questionDeadlineMs = 15_000, readerPaceMs } = options;
  const pulls = opened.use(
    createPulls({
      ...catalog,
      store,
      transfers,
      cache,
      now,
      questionDeadlineMs,
      ...(readerPaceMs === undefined ? {} : { readerPaceMs }),
      peers: async (name) => peers.get(name),
    }),
  );
  await transfers.resume(async (fill) => {
    const source = await pulls.sourceOf(fill);
    return source && { source };
  });
  const resources = opened.move();
  return {
    ...catalog,
    database,
    store,
    cached,
    cachedManifests: createCachedManifests({ database, accessTimes }),
    evictions,
    transfers,
    pulls,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function declarationsOf(upstreams: Readonly<Record<string, Upstream>>, settings: object) {
  const common = { isPublic: true, references: 'sparse', isDefault: false, settings: {} } as const;
  const proxy = { ...common, kind: 'proxy' } as const;
  const endpoints = Object.entries(upstreams).map(([name, { url }]) => ({
    name,
    adapter: 'distribution',
    url: url.href,
    settings: {},
  }));
  const hub = { ...proxy, name: 'docker.io', upstreamHost: 'docker.io', settings };
  const other = { ...proxy, name: 'other.example', upstreamHost: 'other.example' };
  return {
    endpoints,
    projects: [
      { ...common, name: 'local', kind: 'hosted' as const, endpoints: [] },
      { ...common, name: 'secret', kind: 'hosted' as const, isPublic: false, endpoints: [] },
      { ...hub, endpoints: ['hub', 'mirror'] },
      { ...other, endpoints: ['other'] },
    ],
  };
}

/** Of both mirrors. */
export function trouble({ upstream, mirror }: World, how: Behaviour): void {
  for (const peer of [upstream, mirror]) peer.behave({}, how);
}
