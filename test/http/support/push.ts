import assert from 'node:assert/strict';
import { type Digest, type DigestAlgorithm, digestOf } from '../../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import type { Answer } from './client.ts';
import { ADMIN, type TestNode } from './node.ts';

/** Pushes a blob in one request. */
export async function pushBlob(
  node: Pick<TestNode, 'send'>,
  repository: string,
  content: string | Buffer,
  algorithm: DigestAlgorithm = 'sha256',
): Promise<Digest> {
  const bytes = Buffer.from(content);
  const digest = digestOf(bytes, algorithm);
  const answer = await node.send({
    method: 'POST',
    path: `/v2/${repository}/blobs/uploads/?digest=${digest}`,
    body: bytes,
    as: ADMIN,
  });
  assert.equal(answer.status, 201, answer.body.toString());
  return digest;
}

/** Opens a session; its location. */
export async function startUpload(
  node: Pick<TestNode, 'send'>,
  repository: string,
  query = '',
): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/${query}`;
  const answer = await node.send({ method: 'POST', path, as: ADMIN });
  assert.equal(answer.status, 202, answer.body.toString());
  return answer.headers.location ?? '';
}

export interface ManifestParts {
  readonly layers?: readonly (string | { readonly digest: Digest; readonly mediaType: string })[];
  readonly artifactType?: string;
  readonly subject?: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

const CONFIG = '{}';

/** An image manifest over the config `{}` and layers of these contents, none of which is pushed. */
export function manifestOf({ layers = [], more = {}, ...rest }: ManifestParts = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', ...sized(CONFIG) },
      layers: layers.map((layer) =>
        typeof layer === 'string'
          ? { mediaType: 'application/vnd.oci.image.layer.v1.tar', ...sized(layer) }
          : { size: 5, ...layer },
      ),
      ...rest,
      ...more,
    }),
  );
}

function sized(content: string): { digest: Digest; size: number } {
  return { digest: digestOf(Buffer.from(content)), size: Buffer.byteLength(content) };
}

export function putManifest(
  node: Pick<TestNode, 'send'>,
  path: string,
  bytes: Buffer,
  headers: Readonly<Record<string, string>> = { 'Content-Type': OCI_MANIFEST },
): Promise<Answer> {
  return node.send({ method: 'PUT', path: `/v2/${path}`, body: bytes, headers, as: ADMIN });
}

/** Pushes an image with everything it needs under the tags; the manifest's digest. */
export async function pushImage(
  node: Pick<TestNode, 'send'>,
  repository: string,
  tags: readonly string[],
  parts: ManifestParts = {},
): Promise<{ digest: Digest; bytes: Buffer }> {
  await pushBlob(node, repository, CONFIG);
  for (const layer of parts.layers ?? []) {
    if (typeof layer === 'string') await pushBlob(node, repository, layer);
  }
  const bytes = manifestOf(parts);
  const digest = digestOf(bytes);
  for (const reference of tags.length === 0 ? [digest] : tags) {
    const answer = await putManifest(node, `${repository}/manifests/${reference}`, bytes);
    assert.equal(answer.status, 201, answer.body.toString());
  }
  return { digest, bytes };
}

/** Something that nobody ever pushed. */
export const ABSENT = digestOf(Buffer.from('nobody has this'));
