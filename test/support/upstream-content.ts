import type { Descriptor } from '../../src/oci/descriptor.ts';
import { algorithmOf, type Digest, digestOf, isDigest } from '../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST, OCTET_STREAM } from '../../src/oci/media-type.ts';
import type { Answer } from './upstream-exchange.ts';

/** What `addImage` made. */
export interface AddedImage {
  readonly manifest: Descriptor;
  readonly bytes: Buffer;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

interface Repository {
  readonly manifests: Map<Digest, { mediaType: string; bytes: Buffer }>;
  readonly tags: Map<string, Digest>;
  readonly blobs: Map<Digest, Buffer>;
}

const JSON_TYPE = 'application/json';

/** What the registry holds, and how it answers when nothing is wrong. */
export class UpstreamContent {
  readonly #repositories = new Map<string, Repository>();
  readonly #options: { referrersApi: boolean; pageSize: number };

  constructor(options: { referrersApi: boolean; pageSize: number }) {
    this.#options = options;
  }

  addBlob(repository: string, bytes: Buffer, mediaType: string = OCTET_STREAM): Descriptor {
    const digest = digestOf(bytes);
    this.#repository(repository).blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** An object is written as JSON; bytes are kept as they are. */
  addManifest(
    repository: string,
    manifest: object,
    { tag, mediaType = OCI_MANIFEST }: { tag?: string; mediaType?: string } = {},
  ): Descriptor {
    const bytes = Buffer.isBuffer(manifest) ? manifest : Buffer.from(JSON.stringify(manifest));
    const digest = digestOf(bytes);
    const { manifests, tags } = this.#repository(repository);
    manifests.set(digest, { mediaType, bytes });
    if (tag !== undefined) tags.set(tag, digest);
    return { mediaType, digest, size: bytes.length };
  }

  /** An image of these layers, its config and its manifest. */
  addImage(repository: string, tag: string | undefined, layers: readonly Buffer[]): AddedImage {
    const config = this.addBlob(
      repository,
      Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', made: tag })),
      'application/vnd.oci.image.config.v1+json',
    );
    const added = layers.map((layer) =>
      this.addBlob(repository, layer, 'application/vnd.oci.image.layer.v1.tar'),
    );
    const body = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: added };
    const bytes = Buffer.from(JSON.stringify(body));
    const manifest = this.addManifest(repository, bytes, tag === undefined ? {} : { tag });
    return { manifest, bytes, config, layers: added };
  }

  /** Moves the tag. */
  tag(repository: string, tag: string, digest: Digest): void {
    this.#repository(repository).tags.set(tag, digest);
  }

  /** Takes a tag, a manifest or a blob away. */
  remove(repository: string, reference: string): void {
    const { tags, manifests, blobs } = this.#repository(repository);
    tags.delete(reference);
    if (!isDigest(reference)) return;
    for (const [tag, digest] of tags) if (digest === reference) tags.delete(tag);
    manifests.delete(reference);
    blobs.delete(reference);
  }

  /** With all that is in it. */
  removeRepository(name: string): void {
    this.#repositories.delete(name);
  }

  /** What the repository has under the digest. */
  blobIn(repository: string, digest: Digest): Buffer | undefined {
    return this.#repositories.get(repository)?.blobs.get(digest);
  }

  manifestIn(repository: string, digest: Digest): Buffer | undefined {
    return this.#repositories.get(repository)?.manifests.get(digest)?.bytes;
  }

  /** What is there, by repository and tag: for the APIs of vendors, which list it in their own ways. */
  get held(): ReadonlyMap<string, ReadonlyMap<string, Digest>> {
    return new Map([...this.#repositories].map(([name, { tags }]) => [name, tags]));
  }

  /** What the tag points to. */
  tagged(repository: string, tag: string): Digest | undefined {
    return this.#repositories.get(repository)?.tags.get(tag);
  }

  /** `path` with its query. */
  lookUp(path: string, range: string | undefined): Answer {
    if (path === '/v2/') return { status: 200, headers: {}, body: Buffer.from('{}') };
    if (path.startsWith('/v2/_catalog'))
      return this.#catalog(new URLSearchParams(path.split('?')[1]));
    const [, name = '', kind, rest = '', query = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/?]+)(?:\?(.*))?$/.exec(path) ?? [];
    const repository = this.#repositories.get(name);
    if (kind === 'referrers') return this.#referrers(name, decodeURIComponent(rest), query);
    if (repository === undefined) return unknown('NAME_UNKNOWN');
    if (kind === 'manifests') return manifestAnswer(repository, decodeURIComponent(rest));
    if (kind === 'blobs') return blobAnswer(repository, decodeURIComponent(rest), range);
    return this.#tagList(name, repository, new URLSearchParams(query));
  }

  #catalog(query: URLSearchParams): Answer {
    const last = query.get('last') ?? '';
    const after = [...this.#repositories.keys()].toSorted().filter((name) => name > last);
    const most = Math.min(Number(query.get('n') ?? Infinity), this.#options.pageSize);
    const page = after.slice(0, most);
    const next = `</v2/_catalog?n=${most}&last=${page.at(-1)}>; rel="next"`;
    return {
      status: 200,
      headers: { 'content-type': JSON_TYPE, ...(page.length < after.length ? { link: next } : {}) },
      body: Buffer.from(JSON.stringify({ repositories: page })),
    };
  }

  #tagList(name: string, { tags }: Repository, query: URLSearchParams): Answer {
    const last = query.get('last') ?? '';
    const after = [...tags.keys()].toSorted().filter((tag) => tag > last);
    const most = Math.min(Number(query.get('n') ?? Infinity), this.#options.pageSize);
    const page = after.slice(0, most);
    const next = `</v2/${name}/tags/list?n=${most}&last=${page.at(-1)}>; rel="next"`;
    return {
      status: 200,
      headers: { 'content-type': JSON_TYPE, ...(page.length < after.length ? { link: next } : {}) },
      body: Buffer.from(JSON.stringify({ name, tags: page })),
    };
  }

  #referrers(name: string, subject: string, query: string): Answer {
    if (!this.#options.referrersApi) return unknown('UNSUPPORTED');
    const found = [...(this.#repositories.get(name)?.manifests ?? [])].flatMap(
      ([digest, { bytes, mediaType }]) => referrerOf(subject, { digest, bytes, mediaType }),
    );
    const start = Number(new URLSearchParams(query).get('start') ?? 0);
    const end = start + this.#options.pageSize;
    const next = `</v2/${name}/referrers/${subject}?start=${end}>; rel="next"`;
    const manifests = found.slice(start, end);
    return {
      status: 200,
      headers: { 'content-type': OCI_INDEX, ...(end < found.length ? { link: next } : {}) },
      body: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })),
    };
  }

  #repository(name: string): Repository {
    const known = this.#repositories.get(name);
    if (known !== undefined) return known;
    const made = { manifests: new Map(), tags: new Map(), blobs: new Map() };
    this.#repositories.set(name, made);
    return made;
  }
}

function manifestAnswer({ manifests, tags }: Repository, reference: string): Answer {
  const digest = isDigest(reference) ? reference : tags.get(reference);
  const found = digest === undefined ? undefined : manifests.get(digest);
  if (digest === undefined || found === undefined) return unknown('MANIFEST_UNKNOWN');
  return {
    status: 200,
    headers: { 'content-type': found.mediaType, 'docker-content-digest': digest },
    body: found.bytes,
  };
}

function blobAnswer({ blobs }: Repository, digest: string, range: string | undefined): Answer {
  const bytes = isDigest(digest) ? blobs.get(digest) : undefined;
  if (bytes === undefined) return unknown('BLOB_UNKNOWN');
  const headers = {
    'content-type': OCTET_STREAM,
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
  };
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === undefined) return { status: 200, headers, body: bytes };
  const start = Number(first);
  const end = last ? Math.min(Number(last) + 1, bytes.length) : bytes.length;
  if (start >= bytes.length) {
    const body = Buffer.alloc(0);
    return { status: 416, headers: { 'content-range': `bytes */${bytes.length}` }, body };
  }
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` },
    body: bytes.subarray(start, end),
  };
}

function referrerOf(
  subject: string,
  { digest, bytes, mediaType }: { digest: Digest; bytes: Buffer; mediaType: string },
): object[] {
  const manifest: unknown = JSON.parse(bytes.toString());
  if (says(says(manifest, 'subject'), 'digest') !== subject) return [];
  const artifactType =
    says(manifest, 'artifactType') ?? says(says(manifest, 'config'), 'mediaType');
  const annotations = says(manifest, 'annotations');
  return [{ mediaType, digest, size: bytes.length, artifactType, annotations }];
}

function says(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function unknown(code: string): Answer {
  const body = Buffer.from(JSON.stringify({ errors: [{ code }] }));
  return { status: 404, headers: { 'content-type': JSON_TYPE }, body };
}

/** The tag under which registries without the referrers API keep them (distribution-spec v1.1.1 "Referrers Tag Schema"). */
export function fallbackTagOf(subject: Digest): string {
  const algorithm = algorithmOf(subject);
  return `${algorithm}-${subject.slice(algorithm.length + 1, algorithm.length + 65)}`;
}
