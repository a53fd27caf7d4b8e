import { createHash } from 'node:crypto';
import got, { type Got } from 'got';
import { type Digest, digestOf } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { TestImage } from './content.ts';

const CHUNK_BYTES = 256 * 1024;

/** A client that pushes as docker does and checks every byte it is given. */
export class RegistryClient {
  readonly #http: Got;

  constructor(url: string, password: string) {
    const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`;
    this.#http = got.extend({
      prefixUrl: url,
      headers: { authorization },
      retry: { limit: 0 },
      timeout: { request: 120_000 },
    });
  }

  /** Rejects unless the blob was acknowledged. */
  async pushBlob(repository: string, bytes: Buffer): Promise<Digest> {
    const digest = digestOf(bytes);
    const started = await this.#http.post(`v2/${repository}/blobs/uploads/`);
    const location = started.headers.location ?? '';
    const written = await this.#http.patch(location.slice(1), {
      headers: { 'content-type': 'application/octet-stream' },
      body: chunksOf(bytes),
    });
    const end = new URL(written.headers.location ?? '', 'http://node');
    end.searchParams.set('digest', digest);
    await this.#http.put(`${end.pathname}${end.search}`.slice(1));
    return digest;
  }

  /** Rejects unless the manifest was acknowledged. */
  async pushManifest(repository: string, tag: string, manifest: Buffer): Promise<void> {
    await this.#http.put(`v2/${repository}/manifests/${tag}`, {
      headers: { 'content-type': OCI_MANIFEST },
      body: manifest,
    });
  }

  async pushImage(repository: string, tag: string, image: TestImage): Promise<void> {
    for (const blob of image.blobs) await this.pushBlob(repository, blob);
    await this.pushManifest(repository, tag, image.manifest);
  }

  /** What the tag points to, undefined where there is none. Rejects when the bytes are not those of the digest. */
  async manifestDigest(repository: string, reference: string): Promise<string | undefined> {
    const { statusCode, headers, rawBody } = await this.#http.get(
      `v2/${repository}/manifests/${reference}`,
      { throwHttpErrors: false },
    );
    if (statusCode === 404) return undefined;
    const digest = headers['docker-content-digest'];
    if (statusCode !== 200 || digest !== digestOf(rawBody)) {
      throw new Error(`${repository}:${reference} answered ${statusCode} for ${String(digest)}`);
    }
    return digest;
  }

  /** Whether the blob is there; rejects when what is there is not the whole of it. */
  async hasWholeBlob(repository: string, digest: Digest): Promise<boolean> {
    const hash = createHash('sha256');
    const stream = this.#http.stream(`v2/${repository}/blobs/${digest}`, {
      throwHttpErrors: false,
    });
    for await (const chunk of stream) hash.update(chunk);
    if (stream.response?.statusCode === 404) return false;
    const actual = `sha256:${hash.digest('hex')}`;
    if (stream.response?.statusCode !== 200 || actual !== digest) {
      throw new Error(`${digest} answered ${stream.response?.statusCode} with ${actual}`);
    }
    return true;
  }

  async status(path: string): Promise<number> {
    return (await this.#http.get(path, { throwHttpErrors: false })).statusCode;
  }
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    yield bytes.subarray(start, start + CHUNK_BYTES);
  }
}
