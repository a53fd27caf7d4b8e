import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OciError } from '../../../src/oci/error.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { ABSENT, pushBlob } from '../support/push.ts';
import { readerOf } from '../support/reader.ts';

describe('GET /v2/<name>/blobs/<digest> (end-2)', () => {
  it('answers the bytes with their length, digest and type, to HEAD without the bytes', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer');

    const get = await node.send({ path: `/v2/local/app/blobs/${digest}` });
    const head = await node.send({ method: 'HEAD', path: `/v2/local/app/blobs/${digest}` });

    assert.equal(get.body.toString(), 'layer');
    assert.equal(head.body.length, 0);
    for (const { status, headers } of [get, head]) {
      assert.equal(status, 200);
      assert.equal(headers['content-length'], '5');
      assert.equal(headers['content-type'], 'application/octet-stream');
      assert.equal(headers['docker-content-digest'], digest);
      assert.equal(headers['accept-ranges'], 'bytes');
      assert.equal(headers.etag, `"${digest}"`);
      assert.equal(headers['content-encoding'], undefined);
    }
  });

  it('answers without a length, and whole, where nobody knows how large the blob is', async () => {
    const content = Buffer.alloc(700_000, 'x');
    const blob = { ...readerOf(content), size: undefined };
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: { ...blobs, blobSize: async () => undefined, blob: async () => blob },
      }),
    });
    const path = `/v2/local/app/blobs/${ABSENT}`;

    const get = await node.send({ path, headers: { range: 'bytes=1-5' } });
    const head = await node.send({ method: 'HEAD', path });

    assert.deepEqual(get.body, content);
    for (const { status, headers } of [get, head]) {
      assert.equal(status, 200);
      assert.equal(headers['content-length'], undefined);
      assert.equal(headers['accept-ranges'], undefined);
      assert.equal(headers['docker-content-digest'], ABSENT);
    }
  });

  it('cuts the connection where a blob of unknown size turns out to be another', async () => {
    const reader = readerOf(Buffer.alloc(700_000, 'x'));
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({
            ...reader,
            size: undefined,
            async read(into, position, options) {
              const length = await reader.read(into, position, options);
              if (length === 0) throw new OciError('UPSTREAM_UNAVAILABLE');
              return length;
            },
          }),
        },
      }),
    });

    await assert.rejects(node.send({ path: `/v2/local/app/blobs/${ABSENT}` }), {
      code: 'ECONNRESET',
    });
  });

  it('answers sha512 as well', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer', 'sha512');

    const get = await node.send({ path: `/v2/local/app/blobs/${digest}` });

    assert.equal(get.body.toString(), 'layer');
    assert.equal(get.headers['docker-content-digest'], digest);
  });

  for (const content of ['', '{}']) {
    it(`answers 200 with a Content-Length for the blob "${content}"`, async () => {
      await using node = await startNode();
      const digest = await pushBlob(node, 'local/app', content);

      const get = await node.send({ path: `/v2/local/app/blobs/${digest}` });
      const head = await node.send({ method: 'HEAD', path: `/v2/local/app/blobs/${digest}` });
      const ranged = await node.send({
        path: `/v2/local/app/blobs/${digest}`,
        headers: { Range: 'bytes=0-' },
      });

      assert.equal(get.body.toString(), content);
      assert.equal(ranged.body.toString(), content);
      assert.equal(ranged.status, content === '' ? 200 : 206);
      for (const { status, headers } of [get, head]) {
        assert.equal(status, 200);
        assert.equal(headers['content-length'], String(content.length));
      }
    });
  }

  it('answers a blob that is larger than any buffer', async () => {
    await using node = await startNode();
    const content = Buffer.alloc(1_500_001, 'portolan');
    const digest = await pushBlob(node, 'local/app', content);

    const get = await node.send({ path: `/v2/local/app/blobs/${digest}` });

    assert.ok(get.body.equals(content));
  });

  it('says BLOB_UNKNOWN of what nobody pushed, and to HEAD nothing but 404', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/app', 'layer');

    const get = await node.send({ path: `/v2/local/app/blobs/${ABSENT}` });
    const head = await node.send({ method: 'HEAD', path: `/v2/local/app/blobs/${ABSENT}` });

    assert.equal(get.status, 404);
    assert.equal(get.code, 'BLOB_UNKNOWN');
    assert.match(String(get.headers['content-type']), /^application\/json/);
    for (const name of ['etag', 'docker-content-digest', 'accept-ranges', 'cache-control']) {
      assert.equal(get.headers[name], undefined, name);
    }
    assert.equal(head.status, 404);
    assert.equal(head.body.length, 0);
  });

  it('does not show one repository the blobs of another', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer');
    await pushBlob(node, 'local/other', 'something else');

    const answer = await node.send({ path: `/v2/local/other/blobs/${digest}` });

    assert.equal(answer.code, 'BLOB_UNKNOWN');
  });

  for (const digest of ['sha256:abc', 'sha256:', `sha256:${'A'.repeat(64)}`, 'md5:abc', 'latest']) {
    it(`refuses ${digest.slice(0, 16)} as no digest`, async () => {
      await using node = await startNode();

      const answer = await node.send({ path: `/v2/local/app/blobs/${digest}` });

      assert.equal(answer.status, 400);
      assert.equal(answer.code, 'DIGEST_INVALID');
    });
  }

  it('answers 304 to a client that has it, of a blob that is there', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer');
    const path = `/v2/local/app/blobs/${digest}`;

    const matching = await node.send({ path, headers: { 'If-None-Match': `"x", "${digest}"` } });
    const weak = await node.send({ path, headers: { 'If-None-Match': `W/"${digest}"` } });
    const other = await node.send({ path, headers: { 'If-None-Match': '"x"' } });
    const absent = await node.send({
      path: `/v2/local/app/blobs/${ABSENT}`,
      headers: { 'If-None-Match': `"${ABSENT}"` },
    });

    assert.equal(matching.status, 304);
    assert.equal(matching.headers.etag, `"${digest}"`);
    assert.equal(matching.body.length, 0);
    assert.equal(weak.status, 304);
    assert.equal(other.body.toString(), 'layer');
    assert.equal(absent.status, 404);
  });

  it('leaves stored blobs to the front server where that is configured', async () => {
    await using node = await startNode({
      app: { accelRedirect: '/portolan-blobs/' },
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          async blob(target, digest, options) {
            const reader = await blobs.blob(target, digest, options);
            return reader.size !== 5 ? reader : { ...reader, path: `blobs/${digest}` };
          },
        },
      }),
    });
    const stored = await pushBlob(node, 'local/app', 'layer');
    const growing = await pushBlob(node, 'local/app', 'a longer layer');

    const handedOver = await node.send({
      path: `/v2/local/app/blobs/${stored}`,
      headers: { Range: 'bytes=1-2' },
    });
    const sent = await node.send({ path: `/v2/local/app/blobs/${growing}` });

    assert.equal(handedOver.status, 200);
    assert.equal(handedOver.headers['x-accel-redirect'], `/portolan-blobs/blobs/${stored}`);
    assert.equal(handedOver.headers['docker-content-digest'], stored);
    assert.equal(handedOver.headers['content-type'], 'application/octet-stream');
    assert.equal(handedOver.body.length, 0);
    assert.equal(sent.headers['x-accel-redirect'], undefined);
    assert.equal(sent.body.toString(), 'a longer layer');
  });
});

describe('DELETE /v2/<name>/blobs/<digest> (end-10)', () => {
  it('answers 202, and the blob is gone from this repository alone', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', 'layer');
    await pushBlob(node, 'local/other', 'layer');
    const path = `/v2/local/app/blobs/${digest}`;

    const removed = await node.send({ method: 'DELETE', path, as: ADMIN });
    const after = await node.send({ method: 'HEAD', path });
    const again = await node.send({ method: 'DELETE', path, as: ADMIN });
    const other = await node.send({ method: 'HEAD', path: `/v2/local/other/blobs/${digest}` });

    assert.equal(removed.status, 202);
    assert.equal(after.status, 404);
    assert.equal(again.status, 404);
    assert.equal(again.code, 'BLOB_UNKNOWN');
    assert.equal(other.status, 200);
  });
});
