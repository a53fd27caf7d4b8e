import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { ABSENT, manifestOf, pushBlob, pushImage, putManifest } from '../support/push.ts';

describe('GET /v2/<name>/manifests/<reference> (end-3)', () => {
  it('answers exactly the bytes that were pushed, with the type they were pushed with', async () => {
    await using node = await startNode();
    const { digest, bytes } = await pushImage(node, 'local/app', ['v1']);

    const byTag = await node.send({ path: '/v2/local/app/manifests/v1' });
    const byDigest = await node.send({ path: `/v2/local/app/manifests/${digest}` });

    for (const answer of [byTag, byDigest]) {
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(bytes));
      assert.equal(answer.headers['content-type'], OCI_MANIFEST);
      assert.equal(answer.headers['content-length'], String(bytes.length));
      assert.equal(answer.headers['docker-content-digest'], digest);
      assert.equal(answer.headers.etag, `"${digest}"`);
    }
  });

  it('answers HEAD with the same headers and no body', async () => {
    await using node = await startNode();
    const { digest, bytes } = await pushImage(node, 'local/app', ['v1']);

    const head = await node.send({ method: 'HEAD', path: '/v2/local/app/manifests/v1' });

    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    assert.equal(head.headers['content-type'], OCI_MANIFEST);
    assert.equal(head.headers['content-length'], String(bytes.length));
    assert.equal(head.headers['docker-content-digest'], digest);
  });

  it('answers what is stored whatever the client accepts', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['v1']);
    const path = '/v2/local/app/manifests/v1';

    const twoLines = await node.send({ path, headers: { Accept: [OCI_INDEX, OCI_MANIFEST] } });
    const other = await node.send({ path, headers: { Accept: 'text/html' } });

    assert.equal(twoLines.headers['content-type'], OCI_MANIFEST);
    assert.equal(other.status, 200);
    assert.equal(other.headers['content-type'], OCI_MANIFEST);
  });

  it('answers 304 to a client that has it, in whatever form it says so', async () => {
    await using node = await startNode();
    const { digest } = await pushImage(node, 'local/app', ['v1']);

    for (const tag of [`"${digest}"`, `W/"${digest}"`, digest, `"x", "${digest}"`, '*']) {
      for (const method of ['GET', 'HEAD']) {
        const path = '/v2/local/app/manifests/v1';
        const answer = await node.send({ method, path, headers: { 'If-None-Match': tag } });
        assert.equal(answer.status, 304, tag);
        assert.equal(answer.headers['docker-content-digest'], digest);
        assert.equal(answer.headers.etag, `"${digest}"`);
        assert.equal(answer.body.length, 0);
      }
    }
    const changed = await node.send({
      path: '/v2/local/app/manifests/v1',
      headers: { 'If-None-Match': `"${ABSENT}"` },
    });
    assert.equal(changed.status, 200);
  });

  it('is 404 for what is not there, by tag and by digest, and to HEAD without a body', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['v1']);

    for (const reference of ['v2', ABSENT]) {
      const path = `/v2/local/app/manifests/${reference}`;
      const get = await node.send({ path });
      const head = await node.send({ method: 'HEAD', path });
      assert.equal(get.status, 404);
      assert.equal(get.code, 'MANIFEST_UNKNOWN');
      assert.equal(head.status, 404);
      assert.equal(head.body.length, 0);
    }
  });

  it('says NAME_UNKNOWN of a repository that nobody pushed to', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/local/nothing/manifests/v1' });

    assert.equal(answer.status, 404);
    assert.equal(answer.code, 'NAME_UNKNOWN');
  });

  it('is 400 for a digest and for a tag that are none', async () => {
    await using node = await startNode();

    const digest = await node.send({ path: '/v2/local/app/manifests/sha256:baddigeststring' });
    const tag = await node.send({ path: `/v2/local/app/manifests/${'t'.repeat(129)}` });
    const dash = await node.send({ path: '/v2/local/app/manifests/-v1' });

    assert.equal(digest.status, 400);
    assert.equal(digest.code, 'DIGEST_INVALID');
    assert.equal(tag.status, 400);
    assert.equal(tag.code, 'MANIFEST_INVALID');
    assert.match(tag.body.toString(), /invalid tag/);
    assert.equal(dash.status, 400);
  });

  it('warns in the form that clients look for, whatever the warning', async () => {
    await using node = await startNode({
      ports: ({ manifests }) => ({
        manifests: {
          ...manifests,
          async manifest(target, reference, options) {
            const found = await manifests.manifest(target, reference, options);
            return { ...found, warning: 'stale: "hub"\r\nis away\\ ☹' };
          },
        },
      }),
    });
    await pushImage(node, 'local/app', ['v1']);

    const answer = await node.send({ path: '/v2/local/app/manifests/v1' });

    assert.equal(answer.headers['warning'], `299 - "stale: 'hub'  is away'  "`);
  });

  it('shows a manifest of a type of its own as it is, and never as a page of this site', async () => {
    await using node = await startNode({
      ports: ({ manifests }) => ({
        manifests: {
          ...manifests,
          async manifest(target, reference, options) {
            const found = await manifests.manifest(target, reference, options);
            return { ...found, mediaType: 'text/html' };
          },
        },
      }),
    });
    await pushImage(node, 'local/app', ['v1']);

    const answer = await node.send({ path: '/v2/local/app/manifests/v1' });

    assert.equal(answer.headers['content-type'], 'text/html');
    assert.equal(answer.headers['content-security-policy'], 'sandbox');
  });
});

describe('DELETE /v2/<name>/manifests/<reference> (end-9)', () => {
  it('by tag removes the tag alone', async () => {
    await using node = await startNode();
    const { digest } = await pushImage(node, 'local/app', ['v1', 'v2']);

    const removed = await node.send({
      method: 'DELETE',
      path: '/v2/local/app/manifests/v1',
      as: ADMIN,
    });
    const tags = await node.send({ path: '/v2/local/app/tags/list' });
    const manifest = await node.send({ path: `/v2/local/app/manifests/${digest}` });

    assert.equal(removed.status, 202);
    assert.equal(removed.body.length, 0);
    assert.deepEqual(tags.json(), { name: 'local/app', tags: ['v2'] });
    assert.equal(manifest.status, 200);
  });

  it('by digest removes the manifest and every tag on it', async () => {
    await using node = await startNode();
    const { digest } = await pushImage(node, 'local/app', ['v1', 'v2']);
    const path = `/v2/local/app/manifests/${digest}`;

    const removed = await node.send({ method: 'DELETE', path, as: ADMIN });
    const manifest = await node.send({ path });
    const tag = await node.send({ path: '/v2/local/app/manifests/v1' });
    const tags = await node.send({ path: '/v2/local/app/tags/list' });

    assert.equal(removed.status, 202);
    assert.equal(manifest.status, 404);
    assert.equal(tag.status, 404);
    assert.deepEqual(tags.json(), { name: 'local/app', tags: [] });
  });

  it('is 404 for what is not there and 400 for what is no reference', async () => {
    await using node = await startNode();
    await pushImage(node, 'local/app', ['v1']);
    const remove = (reference: string) =>
      node.send({ method: 'DELETE', path: `/v2/local/app/manifests/${reference}`, as: ADMIN });

    const tag = await remove('v9');
    const digest = await remove(ABSENT);
    const malformed = await remove('sha256:x');

    assert.equal(tag.status, 404);
    assert.equal(tag.code, 'MANIFEST_UNKNOWN');
    assert.equal(digest.status, 404);
    assert.equal(malformed.status, 400);
  });

  it('lets the blobs go after the manifests, parents first', async () => {
    await using node = await startNode();
    const { digest: child, bytes } = await pushImage(node, 'local/app', [], { layers: ['layer'] });
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [{ mediaType: OCI_MANIFEST, digest: child, size: bytes.length }],
      }),
    );
    await putManifest(node, 'local/app/manifests/v1', index, { 'Content-Type': OCI_INDEX });
    const layer = await pushBlob(node, 'local/app', 'layer');
    const remove = (path: string) =>
      node.send({ method: 'DELETE', path: `/v2/local/app/${path}`, as: ADMIN });

    const statuses = [
      await remove('manifests/v1'),
      await remove(`manifests/${digestOf(index)}`),
      await remove(`manifests/${digestOf(manifestOf({ layers: ['layer'] }))}`),
      await remove(`blobs/${layer}`),
    ].map(({ status }) => status);

    assert.deepEqual(statuses, [202, 202, 202, 202]);
  });
});
