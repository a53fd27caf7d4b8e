import { join } from 'node:path';
import { createUsers } from '../../../src/access/users.ts';
import { createAccessTimes } from '../../../src/catalog/access-times.ts';
import { createBlobs } from '../../../src/catalog/blobs.ts';
import type { ProjectDeclaration } from '../../../src/catalog/declarations.ts';
import { createFills } from '../../../src/catalog/fills.ts';
import { createManifests, type Manifests } from '../../../src/catalog/manifests.ts';
import { createProjects } from '../../../src/catalog/projects.ts';
import { createReferrers } from '../../../src/catalog/referrers.ts';
import { createRepositories } from '../../../src/catalog/repositories.ts';
import { createTags } from '../../../src/catalog/tags.ts';
import { createUploads } from '../../../src/catalog/uploads.ts';
import type { Database } from '../../../src/database/database.ts';
import { SQLITE } from '../../../src/database/engine.ts';
import { migrate } from '../../../src/database/migrate.ts';
import { openSqlite } from '../../../src/database/sqlite.ts';
import { problemWith } from '../../../src/endpoints.ts';
import type { Ports } from '../../../src/http/app.ts';
import { managementApi } from '../../../src/management-api.ts';
import { OciError } from '../../../src/oci/error.ts';
import { createNames } from '../../../src/proxy/names.ts';
import { openReplicating } from '../../../src/replicating.ts';
import { openFilesystem } from '../../../src/storage/filesystem.ts';
import { Link } from '../../../src/transfer/shaping.ts';
import { createTransfers } from '../../../src/transfer/transfers.ts';
import { freshSecrets } from '../../access/keys.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { type AccessPorts, accessPortsOn } from './access-ports.ts';

export interface CatalogPorts extends AsyncDisposable {
  readonly ports: Ports & AccessPorts;
  readonly database: Database;
}

/** A registry without upstreams: the real catalog and files, in a folder that goes with it. */
export async function openCatalogPorts(now: () => number = Date.now): Promise<CatalogPorts> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryDirectory());
  const database = opened.use(await openSqlite({ file: join(folder.path, 'portolan.db') }));
  await migrate(database, { engine: SQLITE, now });
  const store = opened.use(await openFilesystem(folder.path));
  const accessTimes = opened.use(createAccessTimes({ database, now }));
  const projects = createProjects(database, { now, wellKnownHosts: [] });
  await projects.seed({ endpoints: [], projects: PROJECTS });
  const blobs = createBlobs({ database, store, accessTimes, now });
  const manifests = createManifests({ database, now });
  const tags = createTags({ database, now });
  const repositories = createRepositories(database);
  const access = await accessPortsOn(database, now);
  const room = { makeRoom: async () => true };
  const fills = createFills({ database, now });
  const transfers = opened.use(createTransfers({ store, blobs, fills, room, now }));
  const referrers = createReferrers({ database });
  const replicating = await openReplicating(opened, {
    database,
    now,
    config: {
      jobs: { keepExecutions: 100, keepFor: 86_400_000, giveUpAfter: 86_400_000 },
      declarations: { projects: [], endpoints: [], replication: [] },
    },
    local: { projects, repositories, manifests, referrers, blobs, store, transfers },
    endpoints: { find: async () => undefined },
    link: new Link(Number.POSITIVE_INFINITY, { holdsClients: false }),
  });
  const resources = opened.move();
  return {
    database,
    ports: {
      ...access,
      names: createNames({
        projects,
        canonicalRepository: async ({ name }) => (name === 'docker.io' ? withLibrary : undefined),
        ownNames: [],
      }),
      manifests: manifestPorts(manifests, { tags, repositories }),
      blobs: {
        async blobSize({ repository }, digest) {
          const found = await blobs.find(repository, digest);
          if (found === undefined) throw new OciError('BLOB_UNKNOWN', { detail: digest });
          return found.size;
        },
        async blob({ repository }, digest) {
          const found = await blobs.find(repository, digest);
          if (found === undefined) throw new OciError('BLOB_UNKNOWN', { detail: digest });
          return store.open(digest);
        },
        removeBlob: ({ repository }, digest) => blobs.unlink(repository, digest),
      },
      uploads: uploadPorts(createUploads({ database, store, blobs, now }), { blobs, projects }),
      tags: { tags: ({ repository }, page) => tags.list(repository, page) },
      referrers: referrerPorts(database),
      api: managementApi(
        {
          database,
          projects,
          store,
          replicating,
          users: createUsers(database, { now }),
          access: access.access,
          readiness: async () => ({ isReady: true, checks: { database: 'ok', storage: 'ok' } }),
        },
        {
          version: '0.0.0',
          externalUrl: undefined,
          now,
          wellKnownHosts: ['docker.io'],
          hasConfiguredCredential: () => false,
          secrets: await freshSecrets(),
          allowPrivateAddress: true,
          problemWith,
          // Whatever is called down does not answer.
          async ping({ url }) {
            if (url.includes('down')) throw new Error('nobody answers');
          },
          openBlob: (_repository, digest) => store.open(digest),
        },
      ),
      operations: {
        metrics: {
          contentType: 'text/plain; version=0.0.4',
          text: async () => 'portolan_info 1\n',
        },
        readiness: async () => ({ isReady: true, checks: {} }),
      },
      catalog: {
        async repositories({ isVisible, ...page }) {
          const visible = (await projects.list()).filter((project) => isVisible(project));
          return repositories.list({ ...page, projects: visible.map(({ name }) => name) });
        },
      },
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function manifestPorts(
  manifests: Manifests,
  {
    tags,
    repositories,
  }: {
    tags: ReturnType<typeof createTags>;
    repositories: ReturnType<typeof createRepositories>;
  },
): Ports['manifests'] {
  const find: Ports['manifests']['manifest'] = async ({ repository }, reference) => {
    const found = await manifests.find(repository, reference);
    if (found !== undefined) return found;
    const isKnown = (await repositories.find(repository)) !== undefined;
    throw new OciError(isKnown ? 'MANIFEST_UNKNOWN' : 'NAME_UNKNOWN');
  };
  return {
    manifest: find,
    headManifest: find,
    putManifest: ({ repository, project }, pushed) =>
      manifests.put(repository, { ...pushed, references: project.references }),
    removeManifest: ({ repository }, reference, actor) =>
      reference.kind === 'tag'
        ? tags.remove(repository, reference.tag, actor)
        : manifests.remove(repository, reference.digest, actor),
  };
}

function uploadPorts(
  uploads: ReturnType<typeof createUploads>,
  {
    blobs,
    projects,
  }: { blobs: ReturnType<typeof createBlobs>; projects: ReturnType<typeof createProjects> },
): Ports['uploads'] {
  return {
    startUpload: ({ repository }, options) => uploads.start(repository, options),
    uploadStatus: ({ repository }, session) => uploads.status(repository, session),
    appendUpload: ({ repository }, session, source, options) =>
      uploads.append(repository, session, source, options),
    async finishUpload({ repository }, session, content, options) {
      await uploads.finish(repository, session, content, options);
    },
    cancelUpload: ({ repository }, session) => uploads.cancel(repository, session),
    mountBlob: ({ repository }, digest, from) => blobs.mount(repository, digest, from.repository),
    async mountBlobFromAnywhere({ repository }, digest, mayPull) {
      const pullable = (await projects.list()).filter((project) => mayPull(project));
      const from = await blobs.findIn(
        pullable.map(({ name }) => name),
        digest,
      );
      return from !== undefined && (await blobs.mount(repository, digest, from));
    },
  };
}

function referrerPorts(database: Database): Ports['referrers'] {
  const referrers = createReferrers({ database });
  return {
    referrers: ({ repository }, subject, options) => referrers.list(repository, subject, options),
  };
}

function withLibrary(path: string): string {
  return path.includes('/') ? path : `library/${path}`;
}

function projectOf(name: string, more: Partial<ProjectDeclaration> = {}): ProjectDeclaration {
  return {
    name,
    kind: 'hosted',
    isPublic: true,
    references: 'strict',
    isDefault: false,
    endpoints: [],
    settings: {},
    ...more,
  };
}

const PROJECTS = [
  projectOf('local'),
  projectOf('secret', { isPublic: false }),
  projectOf('sparse', { references: 'sparse' }),
  projectOf('docker.io', {
    kind: 'proxy',
    references: 'sparse',
    upstreamHost: 'docker.io',
    isDefault: true,
  }),
];
