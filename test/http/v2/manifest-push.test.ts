import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-type.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { ABSENT, manifestOf, pushBlob, pushImage, putManifest } from '../support/push.ts';

const NONDISTRIBUTABLE = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip';

describe('PUT /v2/<name>/manifests/<reference> (end-7a)', () => {
  it('answers where the manifest is and its digest, by tag and by digest', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');
    const bytes = manifestOf();
    const digest = digestOf(bytes);

    for (const reference of ['v1', digest]) {
      const answer = await putManifest(node, `local/app/manifests/${reference}`, bytes);
      const stored = await node.send({ path: String(answer.headers.location) });
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.location, `/v2/local/app/manifests/${digest}`);
      assert.equal(answer.headers['docker-content-digest'], digest);
      assert.equal(answer.headers['oci-subject'], undefined);
      assert.equal(answer.headers['oci-tag'], undefined);
      assert.ok(stored.body.equals(bytes));
    }
  });

  it('takes a body of unannounced length', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');
    const bytes = manifestOf();

    const answer = await node.send({
      method: 'PUT',
      path: '/v2/local/app/manifests/v1',
      headers: { 'Content-Type': OCI_MANIFEST },
      body: Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]),
      as: ADMIN,
    });

    assert.equal(answer.status, 201);
    assert.equal(answer.headers['docker-content-digest'], digestOf(bytes));
  });

  it('ignores parameters of the content type', async () => {
    await using node = await startNode();
    const { bytes } = await pushImage(node, 'local/app', []);
    const headers = { 'Content-Type': `${OCI_MANIFEST}; charset=utf-8` };

    const answer = await putManifest(node, 'local/app/manifests/v1', bytes, headers);
    const stored = await node.send({ path: '/v2/local/app/manifests/v1' });

    assert.equal(answer.status, 201);
    assert.equal(stored.headers['content-type'], OCI_MANIFEST);
  });

  it('moves a tag that is pushed again, and the former manifest stays by digest', async () => {
    await using node = await startNode();
    const { digest: former } = await pushImage(node, 'local/app', ['v1']);
    const { digest } = await pushImage(node, 'local/app', ['v1'], { layers: ['layer'] });

    const byTag = await node.send({ path: '/v2/local/app/manifests/v1' });
    const byDigest = await node.send({ path: `/v2/local/app/manifests/${former}` });

    assert.equal(byTag.headers['docker-content-digest'], digest);
    assert.equal(byDigest.status, 200);
  });

  it('keeps sha512 as the identity of what is pushed under it', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');
    const bytes = manifestOf();
    const digest = digestOf(bytes, 'sha512');

    const answer = await putManifest(node, `local/app/manifests/${digest}`, bytes);
    const stored = await node.send({ path: `/v2/local/app/manifests/${digest}` });

    assert.equal(answer.status, 201);
    assert.equal(answer.headers['docker-content-digest'], digest);
    assert.equal(stored.headers['docker-content-digest'], digest);
  });

  it('is 400 for bytes with another digest, and for a digest that is none', async () => {
    await using node = await startNode();
    const { bytes, digest } = await pushImage(node, 'local/app', []);
    const spaces = Buffer.concat([bytes, Buffer.from('  ')]);

    const other = await putManifest(node, `local/app/manifests/${digest}`, spaces);
    const malformed = await putManifest(node, 'local/app/manifests/sha256:baddigeststring', bytes);

    assert.equal(other.status, 400);
    assert.equal(other.code, 'DIGEST_INVALID');
    assert.equal(malformed.status, 400);
    assert.equal(malformed.code, 'DIGEST_INVALID');
  });

  it('names each missing blob and child in an entry of its own', async () => {
    await using node = await startNode();
    const bytes = manifestOf({ layers: ['one', 'two'] });

    const answer = await putManifest(node, 'local/app/manifests/v1', bytes);

    const { errors } = JSON.parse(answer.body.toString());
    assert.equal(answer.status, 400);
    assert.equal(errors.length, 3);
    for (const [index, content] of ['{}', 'one', 'two'].entries()) {
      assert.equal(errors[index].code, 'MANIFEST_BLOB_UNKNOWN');
      assert.equal(errors[index].detail, digestOf(Buffer.from(content)));
    }
  });

  it('accepts in a sparse project what has missing parts', async () => {
    await using node = await startNode();

    const answer = await putManifest(
      node,
      'sparse/app/manifests/v1',
      manifestOf({ layers: ['never pushed'] }),
    );

    assert.equal(answer.status, 201);
  });

  const ACCEPTED = [
    { name: 'no layers', parts: {} },
    { name: 'a type of its own', parts: { artifactType: 'application/vnd.example+type' } },
    { name: 'members nobody knows', parts: { more: { org: { example: [1, null, 'x'] } } } },
    {
      name: 'a non-distributable layer that was never pushed',
      parts: { layers: ['layer', { digest: ABSENT, mediaType: NONDISTRIBUTABLE }] },
    },
    {
      name: 'a layer with the content in its data field',
      parts: {
        layers: ['{}'],
        more: {
          config: { mediaType: 'x/y', digest: digestOf(Buffer.from('{}')), size: 2, data: 'e30=' },
        },
      },
    },
    {
      name: 'a subject that is not there',
      parts: { subject: { mediaType: OCI_MANIFEST, digest: ABSENT, size: 15 } },
    },
  ];
  for (const { name, parts } of ACCEPTED) {
    it(`accepts a manifest with ${name}`, async () => {
      await using node = await startNode();

      const { digest, bytes } = await pushImage(node, 'local/app', ['v1'], parts);
      const stored = await node.send({ path: `/v2/local/app/manifests/${digest}` });

      assert.ok(stored.body.equals(bytes));
    });
  }

  it('accepts indexes, nested and empty ones', async () => {
    await using node = await startNode();
    const { digest, bytes } = await pushImage(node, 'local/app', []);
    const headers = { 'Content-Type': OCI_INDEX };
    const inner = indexOf([{ mediaType: OCI_MANIFEST, digest, size: bytes.length }]);
    const outer = indexOf([{ mediaType: OCI_INDEX, digest: digestOf(inner), size: inner.length }]);

    for (const [tag, body] of Object.entries({ inner, outer, empty: indexOf([]) })) {
      const answer = await putManifest(node, `local/app/manifests/${tag}`, body, headers);
      const stored = await node.send({ path: `/v2/local/app/manifests/${tag}` });
      assert.equal(answer.status, 201, tag);
      assert.equal(stored.headers['content-type'], OCI_INDEX);
    }
  });

  it('accepts Docker schema 2 and refuses schema 1 in words', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');
    const schema2 = manifestOf({ more: { mediaType: DOCKER_MANIFEST } });
    const schema1 = Buffer.from('{"schemaVersion":1,"name":"x","fsLayers":[]}');

    const accepted = await putManifest(node, 'local/app/manifests/v2', schema2, {
      'Content-Type': DOCKER_MANIFEST,
    });
    const refused = await putManifest(node, 'local/app/manifests/v1', schema1, {
      'Content-Type': 'application/vnd.docker.distribution.manifest.v1+prettyjws',
    });

    assert.equal(accepted.status, 201);
    assert.equal(refused.status, 400);
    assert.equal(refused.code, 'MANIFEST_INVALID');
    assert.match(refused.body.toString(), /schema 1/);
  });

  it('names the subject in OCI-Subject', async () => {
    await using node = await startNode();
    const { digest, bytes } = await pushImage(node, 'local/app', ['v1']);
    const subject = { mediaType: OCI_MANIFEST, digest, size: bytes.length };

    const answer = await putManifest(node, 'local/app/manifests/sig', manifestOf({ subject }));

    assert.equal(answer.status, 201);
    assert.equal(answer.headers['oci-subject'], digest);
  });
});

describe('tag parameters (end-7b, main branch)', () => {
  it('put every tag on the manifest and say which', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');
    const tags = Array.from({ length: 12 }, (_, index) => `v${index}`);
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const bytes = manifestOf({ annotations: { algorithm } });
      const digest = digestOf(bytes, algorithm);
      const query = tags.map((tag) => `tag=${tag}`).join('&');

      const answer = await putManifest(node, `local/app/manifests/${digest}?${query}`, bytes);
      const byTag = await node.send({ path: '/v2/local/app/manifests/v11' });

      assert.equal(answer.status, 201);
      assert.deepEqual(String(answer.headers['oci-tag']).split(', '), tags);
      assert.equal(byTag.headers['docker-content-digest'], digest);
    }
  });

  it('change nothing when one of them is no tag', async () => {
    await using node = await startNode();
    const { digest } = await pushImage(node, 'local/app', ['v1']);

    const answer = await putManifest(
      node,
      `local/app/manifests/${digest}?tag=good&tag=-bad`,
      manifestOf(),
    );
    const tags = await node.send({ path: '/v2/local/app/tags/list' });

    assert.equal(answer.status, 400);
    assert.deepEqual(tags.json(), { name: 'local/app', tags: ['v1'] });
  });

  it('are 414 when there are too many', async () => {
    await using node = await startNode();
    const { digest, bytes } = await pushImage(node, 'local/app', []);
    const query = Array.from({ length: 101 }, (_, index) => `tag=${index}`).join('&');

    const answer = await putManifest(node, `local/app/manifests/${digest}?${query}`, bytes);

    assert.equal(answer.status, 414);
  });
});

describe('a manifest that is too large', () => {
  const LIMIT = 4 << 20;
  it('is 413, announced or not, and one of exactly the limit is taken', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', '{}');

    const exact = await putManifest(node, 'local/app/manifests/v1', padded(LIMIT));
    const announced = await putManifest(node, 'local/app/manifests/v2', padded(LIMIT + 1));
    const chunked = await node.send({
      method: 'PUT',
      path: '/v2/local/app/manifests/v2',
      headers: { 'Content-Type': OCI_MANIFEST },
      body: Readable.from([padded(LIMIT), Buffer.from(' ')]),
      as: ADMIN,
    });

    assert.equal(exact.status, 201);
    for (const answer of [announced, chunked]) {
      assert.equal(answer.status, 413);
      assert.equal(answer.code, 'MANIFEST_INVALID');
    }
  });

  it('is answered although the client goes on sending, and then cut off', async () => {
    await using node = await startNode({ app: { largestManifest: 1000 } });
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += 65_536;
        yield Buffer.alloc(65_536);
      }
    }

    const answer = await node.send({
      method: 'PUT',
      path: '/v2/local/app/manifests/v1',
      body: endless(),
      as: ADMIN,
    });

    assert.equal(answer.status, 413);
    assert.equal(answer.headers.connection, 'close');
    assert.ok(sent < 64 << 20, `${sent} bytes were sent`);
  });
});

function indexOf(manifests: readonly object[]): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

/** A manifest of exactly that many bytes. */
function padded(size: number): Buffer {
  const bytes = manifestOf({ more: { padding: '' } });
  const padding = 'x'.repeat(size - bytes.length);
  return Buffer.from(bytes.toString().replace('"padding":""', `"padding":"${padding}"`));
}
