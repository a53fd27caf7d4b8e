/**
 * The node, wired from top to bottom: data, upstreams, pulls, HTTP. The only file that knows all of it. What is opened
 * is closed in the reverse order.
 */
import { PasswordChecks } from './access/password-checks.ts';
import type { Secrets } from './access/secrets.ts';
import { SERVICE } from './access/tokens.ts';
import { createUsers } from './access/users.ts';
import { accessPorts } from './access-ports.ts';
import { createAudit } from './audit/audit.ts';
import { createPullLog } from './audit/pull-log.ts';
import type { Catalog } from './catalog/catalog.ts';
import { startMaintenance } from './catalog/maintenance.ts';
import type { Project } from './catalog/projects.ts';
import type { Config } from './config/load.ts';
import type { NodeEndpoints } from './endpoints.ts';
import { type Engine, type EngineOptions, openEngine, WELL_KNOWN_HOSTS } from './engine.ts';
import type { Ports } from './http/app.ts';
import { type ListenersOptions, openListeners } from './http/listeners.ts';
import { type ManagementApiParts, managementApi } from './management-api.ts';
import { createNames } from './proxy/names.ts';
import type { Pulls } from './proxy/pulls.ts';
import { pullPorts, pushPorts } from './registry-ports.ts';
import { jobFacts } from './replication-lag-ports.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { readiness } from './telemetry/readiness.ts';

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
  const engine = await openEngine(opened, config, { version, now });
  const { database, store, catalog, secrets, cache, endpoints, pulls, replicating } = engine;
  const { projects } = catalog;
  const checks = new PasswordChecks();
  const users = createUsers(database, { now, checks });
  const generatedPassword = await users.ensureAdmin(config.admin.password);
  const pullLog = opened.use(createPullLog({ database, now }));
  const access = await accessPorts(opened, { database, secrets, checks, cache }, config, now);
  const audit = createAudit(database);
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
    operations: operationPorts(opened, { catalog, store, replicating }, { version, now }),
    api: apiPorts(
      { ...access, database, catalog, store, users, secrets, endpoints, pulls, replicating },
      config,
      { version, now },
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

function maintenanceRules({ limits, storage, audit }: Config) {
  return {
    expiryMs: limits.uploadExpiry,
    eviction: storage.eviction,
    auditedMs: audit.retention,
  };
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
  { catalog, store, replicating }: Pick<Engine, 'catalog' | 'store' | 'replicating'>,
  { version, now }: EngineOptions,
): Ports['operations'] {
  const storage = async () => {
    const { total, free } = await store.space();
    return { total, free, used: await catalog.cachedBlobs.presentBytes() };
  };
  const jobs = () => jobFacts(replicating, now);
  return {
    metrics: opened.use(createMetrics({ version, storage, jobs })),
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
