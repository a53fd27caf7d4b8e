import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Ports } from '../../../src/http/app.ts';
import type { Referrer } from '../../../src/http/v2/referrers.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import { ADMIN, startNode, type TestNode } from '../support/node.ts';
import { ABSENT, pushImage } from '../support/push.ts';

const EMPTY = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] };

/** An image, a signature and an SBOM of it. */
async function withReferrers(node: TestNode) {
  const { digest, bytes } = await pushImage(node, 'local/app', ['v1']);
  const subject = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  const signature = await pushImage(node, 'local/app', [], {
    subject,
    artifactType: 'application/vnd.example.signature',
    annotations: { 'org.example.signer': 'me' },
  });
  const sbom = await pushImage(node, 'local/app', [], {
    subject,
    artifactType: 'application/spdx+json',
  });
  const descriptors = [
    {
      mediaType: OCI_MANIFEST,
      digest: signature.digest,
      size: signature.bytes.length,
      artifactType: 'application/vnd.example.signature',
      annotations: { 'org.example.signer': 'me' },
    },
    {
      mediaType: OCI_MANIFEST,
      digest: sbom.digest,
      size: sbom.bytes.length,
      artifactType: 'application/spdx+json',
    },
  ];
  return {
    path: `/v2/local/app/referrers/${digest}`,
    signature: signature.digest,
    descriptors: descriptors.toSorted((one, other) => (one.digest < other.digest ? -1 : 1)),
  };
}

describe('GET /v2/<name>/referrers/<digest> (end-12a, end-12b)', () => {
  it('is an empty index for what nobody refers to, and in a repository never pushed to', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['v1']);

    for (const repository of ['local/app', 'local/never']) {
      const answer = await node.send({ path: `/v2/${repository}/referrers/${ABSENT}` });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-type'], OCI_INDEX);
      assert.deepEqual(answer.json(), EMPTY);
    }
  });

  it('lists every manifest with the subject, with its type and annotations', async () => {
    await using node = await startNode();
    const { path, descriptors } = await withReferrers(node);

    const answer = await node.send({ path });
    const head = await node.send({ method: 'HEAD', path });

    assert.equal(answer.headers['content-type'], OCI_INDEX);
    assert.equal(answer.headers['oci-filters-applied'], undefined);
    assert.deepEqual(answer.json(), { ...EMPTY, manifests: descriptors });
    assert.equal(head.headers['content-length'], String(answer.body.length));
  });

  it('filters by artifact type and says so', async () => {
    await using node = await startNode();
    const { path, descriptors } = await withReferrers(node);
    const type = 'application/vnd.example.signature';

    const some = await node.send({ path: `${path}?artifactType=${encodeURIComponent(type)}` });
    const none = await node.send({ path: `${path}?artifactType=x%2Fy` });
    const empty = await node.send({ path: `${path}?artifactType=` });

    assert.equal(some.headers['oci-filters-applied'], 'artifactType');
    assert.deepEqual(some.json(), {
      ...EMPTY,
      manifests: descriptors.filter(({ artifactType }) => artifactType === type),
    });
    assert.equal(none.headers['oci-filters-applied'], 'artifactType');
    assert.deepEqual(none.json(), EMPTY);
    assert.equal(empty.headers['oci-filters-applied'], undefined);
  });

  it('forgets a referrer that is deleted', async () => {
    await using node = await startNode();
    const { path, signature, descriptors } = await withReferrers(node);

    const manifest = `/v2/local/app/manifests/${signature}`;
    await node.send({ method: 'DELETE', path: manifest, as: ADMIN });
    const answer = await node.send({ path });

    assert.deepEqual(answer.json(), {
      ...EMPTY,
      manifests: descriptors.filter(({ digest }) => digest !== signature),
    });
  });

  it('is 400 for a digest that is none', async () => {
    await using node = await startNode();

    for (const digest of ['sha256:baddigeststring', 'v1']) {
      const answer = await node.send({ path: `/v2/local/app/referrers/${digest}` });
      assert.equal(answer.status, 400);
      assert.equal(answer.code, 'DIGEST_INVALID');
    }
  });

  it('leads from page to page so that each is a manifest that clients read', async () => {
    const referrers = Array.from({ length: 100 }, (_, index): Referrer => {
      const annotations = { text: String(index).padEnd(100_000, 'ü') };
      const digest = digestOf(Buffer.from(annotations.text));
      return { mediaType: OCI_MANIFEST, digest, size: 9, artifactType: 'x/y', annotations };
    });
    await using node = await startNode({
      ports: () => ({ referrers: { referrers: async () => ({ referrers, next: undefined }) } }),
    });
    const listed: string[] = [];

    let next: string | undefined = `/v2/local/app/referrers/${ABSENT}?artifactType=x%2Fy`;
    let pages = 0;
    while (next !== undefined) {
      const answer = await node.send({ path: next });
      const { manifests } = JSON.parse(answer.body.toString());
      for (const { digest } of manifests) listed.push(digest);
      assert.ok(answer.body.length <= 4 << 20);
      assert.equal(answer.headers['oci-filters-applied'], 'artifactType');
      next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1];
      pages++;
    }

    assert.ok(pages > 4);
    assert.deepEqual(listed, referrers.map(({ digest }) => digest).toSorted());
  });

  it('leads on where the node read no more, also past a page on which nothing is', async () => {
    const all = ['a', 'b', 'c']
      .map((text): Referrer => {
        const digest = digestOf(Buffer.from(text));
        return { mediaType: OCI_MANIFEST, digest, size: 9, annotations: {} };
      })
      .toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
    const referrers: Ports['referrers']['referrers'] = async (_, __, { last = '' }) => {
      const [one, ...more] = all.filter(({ digest }) => digest > last);
      const isShown = one !== undefined && one !== all[1];
      return { referrers: isShown ? [one] : [], next: more.length > 0 ? one?.digest : undefined };
    };
    await using node = await startNode({ ports: () => ({ referrers: { referrers } }) });
    const pages: string[][] = [];

    let next: string | undefined = `/v2/local/app/referrers/${ABSENT}`;
    while (next !== undefined) {
      const answer = await node.send({ path: next });
      const { manifests } = JSON.parse(answer.body.toString());
      pages.push(manifests.map(({ digest }: Referrer) => digest));
      next = /^<(\/v2\/[^>]+)>; rel="next"$/.exec(String(answer.headers['link']))?.[1];
    }

    assert.deepEqual(pages, [[all[0]?.digest], [], [all[2]?.digest]]);
  });
});
