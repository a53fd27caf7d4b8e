/**
 * What moves and keeps content, wired: data, upstreams, pulls, replication. A node adds who may do what, and its doors.
 * Like `node.ts`, of which it is a part, it knows all of it.
 */
import { exposesPrivate, PullThroughSettings } from '../policies/pull-through.ts';
import { openMasterKeys } from './access/master-key.ts';
import { createSecrets, type Secrets } from './access/secrets.ts';
import { type Cache, createMemoryCache } from './cache/cache.ts';
import { type Catalog, createCatalog } from './catalog/catalog.ts';
import { DeclarationConflict } from './catalog/declarations.ts';
import { createLeftUploads } from './catalog/left-uploads.ts';
import type { Project } from './catalog/projects.ts';
import { reconcile } from './catalog/reconcile.ts';
import { seedsFor } from './catalog/seeds.ts';
import type { Config } from './config/load.ts';
import { WELL_KNOWN_REGISTRIES } from './config/registries.ts';
import { isBeingCopied } from './database/data-folder.ts';
import type { Database } from './database/database.ts';
import { openDatabase } from './database/open-database.ts';
import { type NodeEndpoints, openEndpoints } from './endpoints.ts';
import type { JobLimits } from './jobs/limits.ts';
import type { Endpoints } from './proxy/endpoints.ts';
import { createEvictions } from './proxy/evictions.ts';
import { createPulls, type Pulls } from './proxy/pulls.ts';
import { LEFT_MS } from './registry/left-uploads.ts';
import { openReplicating, type Replicating } from './replicating.ts';
import { awaitedFill } from './replication/local-side.ts';
import type { BlobStore } from './storage/blob-store.ts';
import { openFilesystem } from './storage/filesystem.ts';
import { Link, pulledThrough } from './transfer/shaping.ts';
import { createTransfers, type Transfers } from './transfer/transfers.ts';

export const WELL_KNOWN_HOSTS = WELL_KNOWN_REGISTRIES.map(({ name }) => name);

export interface EngineOptions {
  /** Of this program, as upstreams are told. */
  readonly version: string;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** Where they are others than the configuration's. */
  readonly limits?: Partial<JobLimits>;
}

export interface Engine {
  readonly database: Database;
  readonly store: BlobStore;
  readonly catalog: Catalog;
  readonly secrets: Secrets;
  readonly cache: Cache;
  readonly endpoints: NodeEndpoints;
  readonly pulls: Pulls;
  /** Begins nothing by itself before it is started. */
  readonly replicating: Replicating;
}

/**
 * Opens the data, makes what the configuration declares, and takes up the fills that a former process left unfinished.
 *
 * @throws DataFolderInUse, DataTooNew, DeclarationConflict
 */
export async function openEngine(
  opened: AsyncDisposableStack,
  config: Config,
  { version, now, limits }: EngineOptions,
): Promise<Engine> {
  const database = opened.use(await openDatabase(config.data, { now }));
  const store = opened.use(await openFilesystem(config.data));
  await reconcile(database, store);
  const catalog = opened.use(catalogOf({ database, store }, config, now));
  await declareProjects(catalog, config);
  const secrets = createSecrets(await openMasterKeys(config.data, config.secrets.masterKey));
  const cache = createMemoryCache();
  const { projects } = catalog;
  const leftUploads = createLeftUploads({ database, now, keptMs: LEFT_MS });
  const parts = { projects, leftUploads, secrets, config, version, now };
  const endpoints = await openEndpoints(opened, parts);
  const transfers = openTransfers(opened, { catalog, store }, config, now);
  const link = new Link(config.replication.bandwidth, { holdsClients: false });
  const pulls = openPulls(opened, { catalog, store, transfers, endpoints, cache, link }, now);
  await resumeFills(transfers, { pulls, projects });
  const local = { ...catalog, store, transfers };
  const replicating = await openReplicating(opened, {
    database,
    endpoints,
    local,
    link,
    config,
    limits,
    now,
  });
  return { database, store, catalog, secrets, cache, endpoints, pulls, replicating };
}

function catalogOf(
  parts: { readonly database: Database; readonly store: BlobStore },
  { data, storage }: Config,
  now: () => number,
): ReturnType<typeof createCatalog> {
  return createCatalog({
    ...parts,
    now,
    graceMs: storage.grace,
    isBeingCopied: () => isBeingCopied(data),
    wellKnownHosts: WELL_KNOWN_HOSTS,
  });
}

async function declareProjects({ projects }: Catalog, config: Config): Promise<void> {
  const { declarations } = config;
  if (config.seed) await projects.seed(seedsFor(WELL_KNOWN_REGISTRIES), declarations.projects);
  await projects.declare(declarations);
  refuseExposure(await projects.list(), config);
}

/**
 * Projects may be older than the file that gives their endpoint a credential.
 *
 * @throws DeclarationConflict
 */
function refuseExposure(projects: readonly Project[], { endpoints }: Config): void {
  for (const { name, kind, isPublic, settings, endpoints: sources } of projects) {
    const source = sources.find((endpoint) => endpoints[endpoint]?.credential !== undefined);
    if (kind !== 'proxy' || source === undefined) continue;
    const project = { isPublic, settings: PullThroughSettings.parse(settings) };
    if (!exposesPrivate(project, true)) continue;
    throw new DeclarationConflict(
      `project ${name}, which is in the database, is public, and endpoint ${source} has a credential: everybody could ` +
        'pull what that may see. Declare the project with `repositories`, `exposePrivate: true` or `public: false`',
    );
  }
}

function openTransfers(
  opened: AsyncDisposableStack,
  { catalog, store }: { readonly catalog: Catalog; readonly store: BlobStore },
  { fills, storage }: Config,
  now: () => number,
): Transfers {
  const { cachedBlobs: cached, blobs } = catalog;
  const limits = { silenceMs: fills.silence, deadlineMs: fills.deadline };
  const room = opened.use(createEvictions({ cached, blobs, store, rule: storage.eviction }));
  return opened.use(createTransfers({ ...catalog, store, room, now, limits }));
}

/** Takes up what a former process left. */
function resumeFills(
  transfers: Transfers,
  { pulls, projects }: { readonly pulls: Pulls; readonly projects: Catalog['projects'] },
): Promise<void> {
  return transfers.resume(async (fill) => {
    const source = await pulls.sourceOf(fill);
    return source === undefined ? awaitedFill(projects, fill) : { source };
  });
}

interface PullParts {
  readonly catalog: Catalog;
  readonly store: BlobStore;
  readonly transfers: Transfers;
  readonly endpoints: Endpoints;
  readonly cache: Cache;
  /** For all that is replicated. */
  readonly link: Link;
}

function openPulls(
  opened: AsyncDisposableStack,
  { catalog, endpoints, link, ...parts }: PullParts,
  now: () => number,
): Pulls {
  const peers = async (name: string) => {
    const endpoint = await endpoints.find(name);
    return endpoint && pulledThrough(endpoint.peer, [endpoint.link, link]);
  };
  return opened.use(createPulls({ ...catalog, ...parts, peers, now }));
}
