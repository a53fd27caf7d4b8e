/**
 * The node, wired from top to bottom: data, upstreams, pulls, HTTP. The only file that knows all of it. What is opened
 * is closed in the reverse order.
 */
import { exposesPrivate, PullThroughSettings } from '../policies/pull-through.ts';
import { openMasterKeys } from './access/master-key.ts';
import { PasswordChecks } from './access/password-checks.ts';
import { createSecrets, type Secrets } from './access/secrets.ts';
import { SERVICE } from './access/tokens.ts';
import { createUsers } from './access/users.ts';
import { accessPorts } from './access-ports.ts';
import { createAudit } from './audit/audit.ts';
import { createPullLog } from './audit/pull-log.ts';
import { type Cache, createMemoryCache } from './cache/cache.ts';
import { type Catalog, createCatalog } from './catalog/catalog.ts';
import { DeclarationConflict } from './catalog/declarations.ts';
import { startMaintenance } from './catalog/maintenance.ts';
import type { Project } from './catalog/projects.ts';
import { reconcile } from './catalog/reconcile.ts';
import { seedsFor } from './catalog/seeds.ts';
import type { Config } from './config/load.ts';
import { WELL_KNOWN_REGISTRIES } from './config/registries.ts';
import { isBeingCopied } from './database/data-folder.ts';
import type { Database } from './database/database.ts';
import { openDatabase } from './database/open-database.ts';
import { type NodeEndpoints, openEndpoints } from './endpoints.ts';
import type { Ports } from './http/app.ts';
import { type ListenersOptions, openListeners } from './http/listeners.ts';
import { type ManagementApiParts, managementApi } from './management-api.ts';
import type { Endpoints } from './proxy/endpoints.ts';
import { createEvictions } from './proxy/evictions.ts';
import { createNames } from './proxy/names.ts';
import { createPulls, type Pulls } from './proxy/pulls.ts';
import { pullPorts, pushPorts } from './registry-ports.ts';
import { openReplicating } from './replicating.ts';
import { awaitedFill } from './replication/local-side.ts';
import type { BlobStore } from './storage/blob-store.ts';
import { openFilesystem } from './storage/filesystem.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { readiness } from './telemetry/readiness.ts';
import { createTransfers, type Transfers } from './transfer/transfers.ts';

const WELL_KNOWN_HOSTS = WELL_KNOWN_REGISTRIES.map(({ name }) => name);

export interface NodeOptions {
  /** Of this program, as upstreams and metrics are told. */
  readonly version: string;
  /** Milliseconds UTC. */
  readonly now?: () => number;
}

/** An address that the node really serves on. */
export interface ServedAddress {
  readonly host: string;
  readonly port: number;
  /** The upstream that the address stands in for. */
  readonly mirror: string | undefined;
}

export interface PortolanNode extends AsyncDisposable {
  readonly addresses: readonly ServedAddress[];
  readonly projects: readonly Project[];
  /** Made because none was configured and none was there; this is the only time to tell it. */
  readonly generatedPassword: string | undefined;
  /** Stops accepting, lets running requests go on for so long, and closes everything. */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

/**
 * Opens the data, takes up what a former process left unfinished, and serves.
 *
 * @throws DataFolderInUse, DataTooNew, DeclarationConflict, and what the system says of an address
 */
export async function startNode(
  config: Config,
  { version, now = Date.now }: NodeOptions,
): Promise<PortolanNode> {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await openDatabase(config.data, { now }));
  const store = opened.use(await openFilesystem(config.data));
  await reconcile(database, store);
  const catalog = opened.use(catalogOf({ database, store }, config, now));
  await declareProjects(catalog, config);
  const checks = new PasswordChecks();
  const users = createUsers(database, { now, checks });
  const generatedPassword = await users.ensureAdmin(config.admin.password);

  const audit = createAudit(database);
  const pullLog = opened.use(createPullLog({ database, now }));
  const secrets = createSecrets(await openMasterKeys(config.data, config.secrets.masterKey));
  const cache = createMemoryCache();
  const access = await accessPorts(opened, { database, secrets, checks, cache }, config, now);
  const { projects } = catalog;
  const facts = { version, now };
  const endpoints = await openEndpoints(opened, { projects, secrets, config, ...facts });
  const transfers = openTransfers(opened, { catalog, store }, config, now);
  const pulls = openPulls(opened, { catalog, store, transfers, endpoints, cache }, now);
  await resumeFills(transfers, { pulls, projects });
  const local = { ...catalog, store, transfers };
  const declared = config.declarations.replication;
  const replicating = await openReplicating(opened, { database, endpoints, local, declared, now });
  opened.use(startMaintenance({ ...catalog, ...maintenanceRules(config), audit, now }));

  const ports: Ports = {
    ...pullPorts(catalog, pulls),
    ...pushPorts(catalog, { pulls, pullLog, forwarding: replicating.forwarding }),
    ...access,
    names: createNames({
      projects: catalog.projects,
      canonicalRepository: ({ endpoints: [first = ''] }) => endpoints.naming(first),
      ownNames: ownNames(config),
    }),
    operations: operationPorts(opened, { catalog, store, version }),
    api: apiPorts(
      { ...access, database, catalog, store, users, secrets, endpoints, pulls, replicating },
      config,
      facts,
    ),
  };
  const listeners = await openListeners(ports, listenersOptions(config));
  for (const { listener } of listeners) opened.use(listener);
  await replicating.start();
  const served = await projects.list();
  const resources = opened.move();
  return {
    addresses: listeners.map(({ listener: { host, port }, mirror }) => ({ host, port, mirror })),
    projects: served,
    generatedPassword,
    async close(options) {
      await Promise.all(listeners.map(({ listener }) => listener.close(options)));
      await resources.disposeAsync();
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
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

function maintenanceRules({ limits, storage, audit }: Config) {
  return {
    expiryMs: limits.uploadExpiry,
    eviction: storage.eviction,
    auditedMs: audit.retention,
  };
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
}

function openPulls(
  opened: AsyncDisposableStack,
  { catalog, endpoints, ...parts }: PullParts,
  now: () => number,
): Pulls {
  const peers = async (name: string) => (await endpoints.find(name))?.peer;
  return opened.use(createPulls({ ...catalog, ...parts, peers, now }));
}

/** `host` and `host:port` by which `?ns=` may mean this node. */
function ownNames({ listen: { externalUrl, names } }: Config): readonly string[] {
  return externalUrl === undefined ? names : [...names, new URL(externalUrl).host];
}

function apiPorts(
  {
    catalog: { projects },
    secrets,
    endpoints,
    pulls,
    ...parts
  }: Pick<ManagementApiParts, 'database' | 'store' | 'users' | 'access' | 'replicating'> & {
    catalog: Catalog;
    secrets: Secrets;
    endpoints: NodeEndpoints;
    pulls: Pulls;
  },
  { listen: { externalUrl } }: Config,
  options: Required<NodeOptions>,
): Ports['api'] {
  const { store } = parts;
  return managementApi(
    { ...parts, projects, readiness: () => readinessOf({ projects, store }) },
    {
      ...options,
      ...endpoints.management,
      externalUrl,
      wellKnownHosts: WELL_KNOWN_HOSTS,
      secrets,
      openBlob: (repository, digest, { signal }) =>
        pulls.blob(repository, digest, { signal, whole: true }),
    },
  );
}

function readinessOf({ projects, store }: Pick<ManagementApiParts, 'projects' | 'store'>) {
  return readiness({
    database: async () => void (await projects.list()),
    storage: async () => void (await store.space()),
  });
}

function operationPorts(
  opened: AsyncDisposableStack,
  { catalog, store, version }: { catalog: Catalog; store: BlobStore; version: string },
): Ports['operations'] {
  const storage = async () => {
    const { total, free } = await store.space();
    return { total, free, used: await catalog.cachedBlobs.presentBytes() };
  };
  return {
    metrics: opened.use(createMetrics({ version, storage })),
    readiness: () => readinessOf({ projects: catalog.projects, store }),
  };
}

function listenersOptions({ listen, limits, storage, tokens }: Config): ListenersOptions {
  return {
    ...listen,
    timeouts: { headers: listen.headerTimeout, idle: listen.idleTimeout },
    service: SERVICE,
    services: tokens.services,
    largestManifest: limits.manifestSize,
    mostUploads: limits.uploads,
    accelRedirect: storage.accelRedirect,
  };
}
