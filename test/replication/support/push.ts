import assert from 'node:assert/strict';
import { digestOf } from '../../../src/oci/digest.ts';
import type { Answer } from '../../http/support/client.ts';
import type { ReplicatingNode } from './nodes.ts';

/** An artifact of one blob. @returns its digest */
export async function push(
  node: Pick<ReplicatingNode, 'send'>,
  repository: string,
  tag: string | undefined,
  options: { readonly subject?: string; readonly text?: string } = {},
): Promise<string> {
  const { answer, digest } = await tryPush(node, repository, tag, options);
  assert.equal(answer.status, 201, answer.body.toString());
  return digest;
}

/** The same, whatever the node says of the manifest. */
export async function tryPush(
  node: Pick<ReplicatingNode, 'send'>,
  repository: string,
  tag: string | undefined,
  { subject, text = '' }: { readonly subject?: string; readonly text?: string } = {},
): Promise<{ readonly answer: Answer; readonly digest: string }> {
  const blob = Buffer.from(`${tag} ${subject} ${text}`);
  const digest = digestOf(blob);
  const upload = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  assert.equal((await node.send({ method: 'POST', path: upload, body: blob })).status, 201);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const descriptor = { mediaType: 'application/octet-stream', digest, size: blob.length };
  const manifest = {
    schemaVersion: 2,
    mediaType,
    artifactType:
      subject === undefined ? 'application/vnd.example' : 'application/vnd.example.signature',
    config: descriptor,
    layers: [descriptor],
    ...(subject === undefined ? {} : { subject: await descriptorOf(node, repository, subject) }),
  };
  const body = Buffer.from(JSON.stringify(manifest));
  const path = `/v2/${repository}/manifests/${tag ?? digestOf(body)}`;
  const headers = { 'content-type': mediaType };
  const answer = await node.send({ method: 'PUT', path, headers, body });
  return { answer, digest: digestOf(body) };
}

async function descriptorOf(
  node: Pick<ReplicatingNode, 'send'>,
  repository: string,
  digest: string,
) {
  const { body, headers } = await node.send({ path: `/v2/${repository}/manifests/${digest}` });
  return { mediaType: headers['content-type'], digest, size: body.length };
}
