import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type Arbitrary,
  asyncProperty,
  constantFrom,
  integer,
  oneof,
  option,
  record,
} from 'fast-check';
import { digestOf } from '../../src/oci/digest.ts';
import { OCI_INDEX } from '../../src/oci/media-type.ts';
import type { Answer } from '../http/support/client.ts';
import { breakOff } from './support/half-request.ts';
import { CONTENT_TYPES, CONTENTS, MANIFEST_BYTES } from './support/manifest-arbitraries.ts';
import { type FuzzNode, startFuzzNode } from './support/node.ts';
import { holds } from './support/runs.ts';

describe('whatever is pushed as a manifest', () => {
  it('is kept exactly and wholly, or refused and leaves nothing', async () => {
    await using node = await startFuzzNode();
    for (const project of PROJECTS) await pushContents(node, `${project}/app`);

    const pushes = record({
      project: constantFrom(...PROJECTS),
      bytes: MANIFEST_BYTES,
      contentType: CONTENT_TYPES,
      as: REFERENCES,
    });
    await holds(
      asyncProperty(pushes, async ({ project, bytes, contentType, as }) => {
        const push = { repository: `${project}/app`, bytes, contentType, reference: as(bytes) };

        const answer = await put(node, push);

        if (answer.status === 201) await assertKept(node, push, answer);
        else await assertRefused(node, push, answer);
      }),
      0.26,
    );
  });

  it('is nothing at all while its client has not sent all of it', async () => {
    await using node = await startFuzzNode();

    const halves = record({
      bytes: MANIFEST_BYTES,
      missing: option(integer({ min: 1, max: 4_000_000 }), { nil: undefined }),
    });
    await holds(
      asyncProperty(halves, async ({ bytes, missing }) => {
        const path = `/v2/sparse/half/manifests/${TAG}`;

        await breakOff(node, { method: 'PUT', path, sent: bytes, missing });

        const { status } = await node.send({ path });
        assert.equal(status, 404);
      }),
      0.02,
    );
  });
});

const PROJECTS = ['local', 'sparse'] as const;
const TAG = 'v1';

type ReferenceOf = (bytes: Buffer) => string;
const REFERENCES: Arbitrary<ReferenceOf> = oneof(
  constantFrom<ReferenceOf>(
    () => TAG,
    (bytes) => digestOf(bytes),
    (bytes) => `${digestOf(bytes)}?tag=${TAG}&tag=${TAG}`,
    (bytes) => `${digestOf(bytes, 'sha512')}?tag=${TAG}`,
  ),
  constantFrom<ReferenceOf>(
    () => digestOf(Buffer.from('something else')),
    () => 'sha256:x',
    (bytes) => `${digestOf(bytes)}?tag=no%20tag`,
  ),
);

interface Push {
  readonly repository: string;
  readonly bytes: Buffer;
  readonly contentType: string;
  /** With its query. */
  readonly reference: string;
}

async function pushContents(node: FuzzNode, repository: string): Promise<void> {
  for (const body of CONTENTS) {
    const path = `/v2/${repository}/blobs/uploads/?digest=${digestOf(body)}`;
    const { status } = await node.send({ method: 'POST', path, body });
    assert.equal(status, 201);
  }
}

function put(node: FuzzNode, { repository, bytes, contentType, reference }: Push): Promise<Answer> {
  return node.send({
    method: 'PUT',
    path: `/v2/${repository}/manifests/${reference}`,
    body: bytes,
    headers: contentType === '' ? {} : { 'Content-Type': contentType },
  });
}

/** And can be pulled, pushed again as it was pulled, and deleted. */
async function assertKept(node: FuzzNode, push: Push, { headers }: Answer): Promise<void> {
  const { repository, bytes, reference } = push;
  const digest = String(headers['docker-content-digest']);
  const isBare = !reference.includes(TAG);
  const byDigest = `/v2/${repository}/manifests/${digest}`;
  const byTag = `/v2/${repository}/manifests/${TAG}`;
  assert.equal(digest, digestOf(bytes, digest.startsWith('sha512') ? 'sha512' : 'sha256'));
  assert.equal(headers.location, byDigest);

  const pulled = await node.send({ path: byDigest });
  const head = await node.send({ method: 'HEAD', path: byDigest });
  const tagged = await node.send({ path: byTag });
  const contentType = String(pulled.headers['content-type']);
  const again = await put(node, { ...push, contentType, reference: digest });
  const subject = headers['oci-subject'];
  if (subject !== undefined)
    await assertListed(node, `${repository}/referrers/${String(subject)}`, digest);
  const deleted = await node.send({ method: 'DELETE', path: byDigest });

  assert.equal(pulled.status, 200);
  assert.ok(pulled.body.equals(bytes));
  for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag']) {
    assert.equal(head.headers[name], pulled.headers[name]);
  }
  assert.equal(tagged.status, isBare ? 404 : 200);
  assert.ok(isBare || tagged.body.equals(bytes));
  assert.equal(again.status, 201, `${contentType}: ${again.body.toString()}`);
  assert.equal(deleted.status, 202);
  await assertNothing(node, push);
}

async function assertListed(node: FuzzNode, path: string, digest: string): Promise<void> {
  const listed = await node.send({ path: `/v2/${path}` });
  assert.equal(listed.status, 200);
  assert.equal(listed.headers['content-type'], OCI_INDEX);
  // Parsed again, for whoever copies the list must be able to.
  assert.ok(JSON.stringify(listed.json()).includes(digest));
}

async function assertRefused(node: FuzzNode, push: Push, answer: Answer): Promise<void> {
  assert.ok(
    ['MANIFEST_INVALID', 'DIGEST_INVALID', 'MANIFEST_BLOB_UNKNOWN'].includes(String(answer.code)),
    answer.body.toString(),
  );
  assert.equal(answer.status, 400);
  await assertNothing(node, push);
}

async function assertNothing(node: FuzzNode, { repository, bytes }: Push): Promise<void> {
  const digests = [digestOf(bytes), digestOf(bytes, 'sha512')];
  for (const reference of [TAG, ...digests]) {
    const { status } = await node.send({ path: `/v2/${repository}/manifests/${reference}` });
    assert.equal(status, 404, reference);
  }
  const tags = await node.send({ path: `/v2/${repository}/tags/list` });
  assert.deepEqual(tags.json(), { name: repository, tags: [] });
}
