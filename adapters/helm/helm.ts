/**
 * A classic Helm repository, which is an index and archives on any web server, as a registry to copy charts from: a chart is a
 * repository, a version a tag, and what is pulled is the OCI artifact that `chart.ts` makes of the archive. Nothing can be
 * pushed there or deleted.
 *
 * The digest of a version is not known before its archive was read, once for each process; what the index says of an
 * archive's digest is compared with it.
 *
 * Sources: https://helm.sh/docs/topics/chart_repository/, https://helm.sh/docs/topics/registries/ (Helm 3).
 */
import { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Digest } from '../../src/oci/digest.ts';
import { OciError } from '../../src/oci/error.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { defineAdapter } from '../../src/registry/adapter.ts';
import { basicOf } from '../../src/registry/auth.ts';
import { readBlob } from '../../src/registry/blob-part.ts';
import type { Endpoint } from '../../src/registry/endpoint.ts';
import { UpstreamDenied, UpstreamInvalid } from '../../src/registry/errors.ts';
import type {
  BlobPart,
  CallOptions,
  ReadablePeer,
  RegistryPeer,
  WritablePeer,
} from '../../src/registry/peer.ts';
import type { Call, RegistryCalls, RegistryClient } from '../../src/registry/registry-client.ts';
import { constant } from '../../src/registry/renewable.ts';
import { refusal } from '../../src/registry/repository-calls.ts';
import { SingleFlight } from '../../src/registry/single-flight.ts';
import { artifactOf, type ChartArtifact, NoChart } from './chart.ts';
import {
  type IndexedVersion,
  NoIndex,
  type RepositoryIndex,
  readIndex,
} from './repository-index.ts';

/** How long an index answers by itself. */
const FRESH_MS = 60_000;
/** Archives have some kilobytes; more is a mistake, or somebody's who means ill. */
const MOST_ARCHIVE_BYTES = 16 * 2 ** 20;
/** Of a provenance file, which has Chart.yaml in it; and what it starts with (RFC 9580 section 7). */
const MOST_SIGNED_BYTES = 4 * 2 ** 20;
const SIGNED = '-----BEGIN PGP SIGNED MESSAGE-----';
/** Of manifests and configs that were made, so that most are made once. */
const MOST_KEPT_BYTES = 32 * 2 ** 20;
const FETCH_MS = 120_000;

type Range = Parameters<ReadablePeer['blob']>[2]['range'];

export const helm = defineAdapter({
  name: 'helm',
  title: 'Helm repository',
  description:
    'A classic Helm repository (an index.yaml on a web server) to copy charts from, which become OCI artifacts. Nothing can be pushed there.',
  credential: { description: 'A user name and a password, where the repository wants a login.' },
  capabilities: {
    push: false,
    chunkedPush: false,
    mount: false,
    deleteManifest: false,
    deleteTag: false,
    listRepositories: true,
    listTagDigests: false,
    prepare: false,
  },
  options: z.strictObject({}).prefault({}).meta({ description: 'It has none.' }),

  connect: (endpoint, client): RegistryPeer => ({
    ...reading(new HelmRepository(endpoint, client)),
    ...NOT_WRITTEN,
  }),
});

function reading(charts: HelmRepository): ReadablePeer & Pick<RegistryPeer, 'repositories'> {
  return {
    async ping(options) {
      await charts.index(options);
    },
    async headManifest(repository, reference, options) {
      const { manifest } = await charts.artifact(repository, reference, options);
      return manifest.descriptor;
    },
    async manifest(repository, reference, options) {
      return (await charts.artifact(repository, reference, options)).manifest;
    },
    async blobSize(repository, digest, options) {
      const { layer, ...made } = await charts.holding(repository, digest, options);
      return digest === layer.digest ? layer.size : madePart(made, digest).descriptor.size;
    },
    blob: (repository, digest, options) => charts.blob(repository, digest, options),
    tags: (repository, options) => charts.tags(repository, options),
    referrers: async () => [],
    async *repositories({ prefix = '', ...options }) {
      for (const name of (await charts.index(options)).names)
        if (name.startsWith(prefix)) yield name;
    },
  };
}

async function refused(): Promise<never> {
  throw new OciError('UNSUPPORTED', { message: 'a classic Helm repository is only read' });
}

const NOT_WRITTEN: WritablePeer = {
  // There is nothing to take from, which is no error.
  mountBlob: async () => false,
  pushBlob: refused,
  pushManifest: refused,
  deleteManifest: refused,
  deleteTag: refused,
};

interface Made extends ChartArtifact {
  readonly url: URL;
}

class HelmRepository {
  readonly #calls: RegistryCalls;
  readonly #url: URL;
  readonly #indexes = new SingleFlight<RepositoryIndex>();
  readonly #makings = new SingleFlight<Made>();
  /** By chart, version, and what the index says of the archive. */
  readonly #made = new LRUCache<string, Made>({
    maxSize: MOST_KEPT_BYTES,
    sizeCalculation: ({ manifest, config, provenance }) =>
      manifest.bytes.length + config.bytes.length + (provenance?.bytes.length ?? 0) + 1000,
  });
  #index:
    | { readonly value: RepositoryIndex; readonly etag: string | undefined; until: number }
    | undefined;

  constructor({ credential, options: _none, ...access }: Endpoint, client: RegistryClient) {
    const authorization = credential && constant(basicOf(credential));
    this.#calls = client.api({ ...access, authorization });
    this.#url = access.url;
  }

  async index(options: CallOptions): Promise<RepositoryIndex> {
    const known = this.#index;
    if (known !== undefined && this.#calls.now() < known.until) return known.value;
    const work = (asking: { readonly abandoned: AbortSignal }) =>
      this.#fetchIndex({ signal: AbortSignal.timeout(FETCH_MS), ...asking });
    return this.#indexes.run('', work, options);
  }

  /** @throws OciError MANIFEST_UNKNOWN, MANIFEST_INVALID */
  async artifact(repository: string, reference: string, options: CallOptions): Promise<Made> {
    const asked = parseReference(reference);
    if (asked.kind === 'digest') {
      const found = await this.#find(repository, options, ({ manifest }) => {
        return manifest.descriptor.digest === asked.digest;
      });
      if (found === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: reference });
      return found;
    }
    const versions = await this.#versions(repository, options);
    const version = versions.find(({ tag }) => tag === asked.tag);
    if (version === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: reference });
    return this.#make(repository, version, options);
  }

  /** What has the blob. @throws OciError BLOB_UNKNOWN */
  async holding(repository: string, digest: Digest, options: CallOptions): Promise<Made> {
    const found = await this.#find(
      repository,
      options,
      ({ config, layer, provenance }) =>
        [config.descriptor, layer, provenance?.descriptor].some((one) => one?.digest === digest),
      digest,
    );
    if (found === undefined) throw new OciError('BLOB_UNKNOWN', { detail: digest });
    return found;
  }

  async blob(
    repository: string,
    digest: Digest,
    { range, lane = 'blob', ...options }: Parameters<ReadablePeer['blob']>[2],
  ): Promise<BlobPart> {
    const { layer, url, ...made } = await this.holding(repository, digest, options);
    if (digest !== layer.digest) return partOf(madePart(made, digest).bytes, range);
    return readBlob(this.#calls, this.#call(url, { ...options, lane }), range);
  }

  async *tags(repository: string, options: CallOptions): AsyncGenerator<string> {
    const { names } = await this.index(options);
    if (!names.includes(repository)) throw new OciError('NAME_UNKNOWN', { detail: repository });
    for (const { tag } of await this.#versions(repository, options)) yield tag;
  }

  /** Among what was made; else what the index says has it; else whichever is made next. */
  async #find(
    repository: string,
    options: CallOptions,
    isIt: (made: Made) => boolean,
    digest?: Digest,
  ): Promise<Made | undefined> {
    const versions = await this.#versions(repository, options);
    for (const version of versions) {
      const made = this.#made.get(keyOf(repository, version));
      if (made !== undefined && isIt(made)) return made;
    }
    const said = versions.find((version) => digest !== undefined && version.digest === digest);
    for (const version of said === undefined ? versions : [said]) {
      if (this.#made.has(keyOf(repository, version))) continue;
      const made = await this.#make(repository, version, options);
      if (isIt(made)) return made;
    }
    return undefined;
  }

  async #versions(repository: string, options: CallOptions): Promise<readonly IndexedVersion[]> {
    try {
      return await (await this.index(options)).versions(repository);
    } catch (error) {
      throw this.#named(error);
    }
  }

  async #make(repository: string, version: IndexedVersion, options: CallOptions): Promise<Made> {
    const key = keyOf(repository, version);
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const work = (asking: { readonly abandoned: AbortSignal }) =>
      this.#fetchArchive(version, { signal: AbortSignal.timeout(FETCH_MS), ...asking });
    const made = await this.#makings.run(key, work, options);
    this.#made.set(key, made);
    return made;
  }

  async #fetchArchive({ urls, digest, tag }: IndexedVersion, options: CallOptions): Promise<Made> {
    const [place = ''] = urls;
    if (!URL.canParse(place, this.#url)) throw this.#named(new NoIndex(`${place} is no URL`));
    const url = new URL(place, this.#url);
    const call = this.#call(url, options);
    const { status, bytes } = await this.#calls.read(call, MOST_ARCHIVE_BYTES);
    if (status !== 200) throw refusal(call, status, 'MANIFEST_UNKNOWN');
    const provenance = await this.#provenanceOf(url, options);
    let artifact: ChartArtifact;
    try {
      artifact = await artifactOf(bytes, provenance);
    } catch (cause) {
      if (!(cause instanceof NoChart)) throw cause;
      throw new OciError('MANIFEST_INVALID', { message: `${tag}: ${cause.message}`, cause });
    }
    if (digest !== undefined && digest !== artifact.layer.digest) {
      const problem = `an archive ${artifact.layer.digest} where its index says ${digest}`;
      throw new UpstreamInvalid(this.#url.host, problem);
    }
    return { ...artifact, url };
  }

  /** https://helm.sh/docs/topics/provenance/: beside the archive, with another ending. Some servers answer everything with a page. */
  async #provenanceOf(archive: URL, options: CallOptions): Promise<Buffer | undefined> {
    const url = new URL(archive);
    url.pathname += '.prov';
    try {
      const { status, bytes } = await this.#calls.read(this.#call(url, options), MOST_SIGNED_BYTES);
      return status === 200 && bytes.includes(SIGNED) ? bytes : undefined;
    } catch (error) {
      // Said of what is not there by stores whose lists are not public (Amazon S3).
      if (error instanceof UpstreamDenied) return undefined;
      throw error;
    }
  }

  async #fetchIndex(options: CallOptions): Promise<RepositoryIndex> {
    const known = this.#index;
    const headers = known?.etag === undefined ? {} : { 'if-none-match': known.etag };
    const call = { ...this.#call(new URL('index.yaml', this.#url), options), headers };
    const answer = await this.#calls.read(call, this.#calls.limits.pagesBytes);
    const until = this.#calls.now() + FRESH_MS;
    if (answer.status === 304 && known !== undefined) {
      known.until = until;
      return known.value;
    }
    if (answer.status !== 200) {
      throw new UpstreamInvalid(this.#url.host, `${answer.status} to GET ${call.url.pathname}`);
    }
    try {
      const value = readIndex(answer.bytes.toString());
      this.#index = { value, etag: answer.headers.etag, until };
      return value;
    } catch (error) {
      throw this.#named(error);
    }
  }

  #call(
    url: URL,
    { signal, abandoned, lane = 'control' }: CallOptions & Partial<Pick<Call, 'lane'>>,
  ): Call {
    return { method: 'GET', url, scope: '', lane, signal, abandoned };
  }

  #named(error: unknown): unknown {
    if (!(error instanceof NoIndex)) return error;
    return new UpstreamInvalid(this.#url.host, `its index: ${error.message}`, { cause: error });
  }
}

/** What is no archive: it is kept with what was made of it. */
function madePart({ config, provenance }: Pick<Made, 'config' | 'provenance'>, digest: Digest) {
  return provenance?.descriptor.digest === digest ? provenance : config;
}

function keyOf(repository: string, { tag, digest, urls }: IndexedVersion): string {
  return JSON.stringify([repository, tag, digest, urls[0]]);
}

function partOf(bytes: Buffer, range: Range): BlobPart {
  const start = range?.start ?? 0;
  const content = Readable.from([bytes.subarray(start, range?.end)]);
  return { start, size: bytes.length, content };
}
