import type { Actor } from '../../src/audit/audit.ts';
import { createAccessTimes } from '../../src/catalog/access-times.ts';
import { createArrivals } from '../../src/catalog/arrivals.ts';
import { type Blobs, createBlobs } from '../../src/catalog/blobs.ts';
import { createCachedBlobs } from '../../src/catalog/cached-blobs.ts';
import { createCachedManifests } from '../../src/catalog/cached-manifests.ts';
import { createFills } from '../../src/catalog/fills.ts';
import { createManifests, type Manifests } from '../../src/catalog/manifests.ts';
import { createProjects } from '../../src/catalog/projects.ts';
import { createReferrers } from '../../src/catalog/referrers.ts';
import { createRepositories } from '../../src/catalog/repositories.ts';
import { seedsFor } from '../../src/catalog/seeds.ts';
import { createTags } from '../../src/catalog/tags.ts';
import { createUploads } from '../../src/catalog/uploads.ts';
import type { Ownership } from '../../src/database/tables.ts';
import { type Digest, type DigestAlgorithm, digestOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';
import { openFilesystem } from '../../src/storage/filesystem.ts';
import type { TestEngine } from '../support/databases.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

export const START = Date.UTC(2026, 10, 21);
export const HOUR = 60 * 60 * 1000;

/** A catalog over a real database and a real folder, with the hosted project `local` and the proxy `docker.io`. */
export async function openWorld(engine: TestEngine) {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await temporaryDirectory());
  const store = opened.use(await openFilesystem(directory.path));
  const database = opened.use(await engine.open());
  const clock = { at: START };
  const now = (): number => clock.at;
  const projects = createProjects(database, { now, wellKnownHosts: ['docker.io'] });
  const registry = { name: 'docker.io', adapter: 'docker-hub', url: 'https://hub.example' };
  await projects.seed(seedsFor([registry]));
  const accessTimes = opened.use(createAccessTimes({ database, now }));
  const blobs = createBlobs({ database, store, accessTimes, now });
  const disposables = opened.move();
  return {
    path: directory.path,
    store,
    database,
    clock,
    projects,
    accessTimes,
    blobs,
    repositories: createRepositories(database),
    manifests: createManifests({ database, now }),
    tags: createTags({ database, now }),
    referrers: createReferrers({ database }),
    cachedBlobs: createCachedBlobs({ database, accessTimes, now }),
    cachedManifests: createCachedManifests({ database, accessTimes }),
    arrivals: createArrivals({ database }),
    fills: createFills({ database, now }),
    uploads: createUploads({ database, store, blobs, now }),
    /** Uploads as another process would have them, over the same data. */
    uploadsAfterRestart: () => createUploads({ database, store, blobs, now }),
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}

export type World = Awaited<ReturnType<typeof openWorld>>;

export interface Content {
  readonly bytes: Buffer;
  readonly digest: Digest;
}

export function contentOf(text: string, algorithm?: DigestAlgorithm): Content {
  const bytes = Buffer.from(text);
  return { bytes, digest: digestOf(bytes, algorithm) };
}

/** Puts a blob into the repository without an upload. */
export async function keepBlob(
  { store, blobs }: Pick<World, 'store'> & { blobs: Pick<Blobs, 'keep'> },
  repository: string,
  { bytes, digest }: Content,
  ownership: Ownership = 'origin',
): Promise<void> {
  await using staged = await store.stage(`test-${digest.slice(7, 23)}-${Math.random()}`);
  await staged.write(bytes, 0);
  await blobs.keep(staged, { digest, size: bytes.length, repository, ownership });
}

/** An image of one config and these layers, as JSON. */
export function imageOf(
  config: Content,
  layers: readonly Content[],
  more: Readonly<Record<string, unknown>> = {},
): Content {
  const descriptor = ({ bytes, digest }: Content, mediaType: string) => ({
    mediaType,
    digest,
    size: bytes.length,
  });
  return contentOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
      layers: layers.map((layer) => descriptor(layer, 'application/vnd.oci.image.layer.v1.tar')),
      ...more,
    }),
  );
}

export function indexOf(
  manifests: readonly { readonly digest: Digest; readonly bytes: Buffer; mediaType?: string }[],
  more: Readonly<Record<string, unknown>> = {},
): Content {
  return contentOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: manifests.map(({ bytes, digest, mediaType = OCI_MANIFEST }) => ({
        mediaType,
        digest,
        size: bytes.length,
      })),
      ...more,
    }),
  );
}

/** Somebody of that name, as the audit knows them. */
export function called(name: string): Actor {
  return { name, address: '192.0.2.7' };
}

/** Pushes as alice, by tag, into a strict project unless told otherwise. */
export async function push(
  { manifests }: { manifests: Manifests },
  repository: string,
  content: Content,
  options: { tag?: string; tags?: readonly string[]; references?: 'strict' | 'sparse' } = {},
) {
  const { tag, tags = [], references = 'strict' } = options;
  return manifests.put(repository, {
    bytes: content.bytes,
    contentType: undefined,
    reference:
      tag === undefined ? { kind: 'digest', digest: content.digest } : { kind: 'tag', tag },
    tags,
    actor: called('alice'),
    references,
  });
}

/** A config and a layer that the repository has, and the image of both, not pushed. */
export async function imageWithBlobs(
  world: World,
  repository: string,
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Content & { config: Content; layer: Content }> {
  const config = contentOf(`{"config":"${name}"}`);
  const layer = contentOf(`layer of ${name}`);
  await keepBlob(world, repository, config);
  await keepBlob(world, repository, layer);
  return { ...imageOf(config, [layer], more), config, layer };
}

/** Lets it come in from upstream. */
export async function arrive(
  { manifests, clock }: Pick<World, 'manifests' | 'clock'>,
  repository: string,
  { bytes, digest }: Content,
  tag?: string,
) {
  const parsed = parseManifest(bytes, undefined);
  const descriptor = { mediaType: parsed.mediaType, digest, size: bytes.length };
  const manifest = { descriptor, bytes };
  return manifests.arrive(repository, { manifest, parsed, tag, checkedAt: clock.at });
}

export async function changesOf({ database }: Pick<World, 'database'>) {
  return database.read.selectFrom('changes').selectAll().orderBy('seq').execute();
}

/** Of a blob's row; undefined where there is none. */
export async function stateOf({ database }: Pick<World, 'database'>, { digest }: Content) {
  const row = await database.read
    .selectFrom('blobs')
    .select(['state', 'condemned_at'])
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row && { state: row.state, at: row.condemned_at };
}
