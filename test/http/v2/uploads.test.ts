import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { ADMIN, startNode } from '../support/node.ts';
import { ABSENT, pushBlob, startUpload } from '../support/push.ts';

const UPLOADS = '/v2/local/app/blobs/uploads/';
const LAYER = Buffer.from('a layer');
const DIGEST = digestOf(LAYER);

describe('POST /v2/<name>/blobs/uploads/ (end-4a)', () => {
  it('opens a session at a relative location below the repository', async () => {
    await using node = await startNode();

    const answer = await node.send({ method: 'POST', path: UPLOADS, as: ADMIN });

    const id = String(answer.headers['docker-upload-uuid']);
    assert.equal(answer.status, 202);
    assert.match(id, /^[\w-]+$/);
    assert.equal(answer.headers.location, `${UPLOADS}${id}`);
    assert.equal(answer.headers.range, '0-0');
    assert.equal(answer.headers['content-length'], '0');
  });

  it('minds neither a missing slash nor the type of an empty body', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'POST',
      path: UPLOADS.slice(0, -1),
      headers: { 'Content-Type': 'application/json' },
      as: ADMIN,
    });

    assert.equal(answer.status, 202);
  });

  it('takes the algorithms it knows (end-4c, main branch) and refuses others', async () => {
    await using node = await startNode();
    const digest = digestOf(LAYER, 'sha512');

    const location = await startUpload(node, 'local/app', '?digest-algorithm=sha512');
    const done = await node.send({
      method: 'PUT',
      path: `${location}?digest=${digest}`,
      body: LAYER,
      as: ADMIN,
    });
    const unknown = await node.send({
      method: 'POST',
      path: `${UPLOADS}?digest-algorithm=blake3`,
      as: ADMIN,
    });

    assert.equal(done.status, 201);
    assert.equal(unknown.status, 400);
    assert.equal(unknown.code, 'DIGEST_INVALID');
  });
});

describe('POST /v2/<name>/blobs/uploads/?digest= (end-4b)', () => {
  it('takes the blob at once', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'POST',
      path: `${UPLOADS}?digest=${DIGEST}`,
      body: LAYER,
      as: ADMIN,
    });
    const stored = await node.send({ path: String(answer.headers.location) });

    assert.equal(answer.status, 201);
    assert.equal(answer.headers.location, `/v2/local/app/blobs/${DIGEST}`);
    assert.equal(answer.headers['docker-content-digest'], DIGEST);
    assert.ok(stored.body.equals(LAYER));
  });

  it('is 400 for content with another digest, and nothing is kept', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'POST',
      path: `${UPLOADS}?digest=${ABSENT}`,
      body: LAYER,
      as: ADMIN,
    });
    const stored = await node.send({ path: `/v2/local/app/blobs/${ABSENT}` });

    assert.equal(answer.status, 400);
    assert.equal(answer.code, 'DIGEST_INVALID');
    assert.equal(stored.status, 404);
  });

  it('is 400 for a digest that is none, before a session is opened', async () => {
    await using node = await startNode();

    const answer = await node.send({
      method: 'POST',
      path: `${UPLOADS}?digest=sha256:baddigeststring`,
      body: LAYER,
      as: ADMIN,
    });

    assert.equal(answer.status, 400);
    assert.equal(answer.code, 'DIGEST_INVALID');
    assert.equal(answer.headers.location, undefined);
  });
});

describe('PUT <location>?digest= (end-6)', () => {
  it('takes the whole blob, the end of it or nothing more', async () => {
    await using node = await startNode();
    const whole = await startUpload(node, 'local/app');
    const rest = await startUpload(node, 'local/app');
    const nothing = await startUpload(node, 'local/app');
    await node.send({ method: 'PATCH', path: rest, body: LAYER.subarray(0, 3), as: ADMIN });
    await node.send({ method: 'PATCH', path: nothing, body: LAYER, as: ADMIN });

    const answers = [
      await node.send({ method: 'PUT', path: `${whole}?digest=${DIGEST}`, body: LAYER, as: ADMIN }),
      await node.send({
        method: 'PUT',
        path: `${rest}?digest=${DIGEST}`,
        body: LAYER.subarray(3),
        as: ADMIN,
      }),
      await node.send({ method: 'PUT', path: `${nothing}?digest=${DIGEST}`, body: '', as: ADMIN }),
    ];

    for (const answer of answers) {
      assert.equal(answer.status, 201);
      assert.equal(answer.headers.location, `/v2/local/app/blobs/${DIGEST}`);
      assert.equal(answer.headers['docker-content-digest'], DIGEST);
    }
  });

  it('takes a digest whose colon is escaped', async () => {
    await using node = await startNode();
    const location = await startUpload(node, 'local/app');

    const answer = await node.send({
      method: 'PUT',
      path: `${location}?digest=${encodeURIComponent(DIGEST)}`,
      body: LAYER,
      as: ADMIN,
    });

    assert.equal(answer.status, 201);
  });

  it('takes sha512 although the session was opened without a word of it', async () => {
    await using node = await startNode();
    const location = await startUpload(node, 'local/app');
    const digest = digestOf(LAYER, 'sha512');
    await node.send({ method: 'PATCH', path: location, body: LAYER, as: ADMIN });

    const answer = await node.send({
      method: 'PUT',
      path: `${location}?digest=${digest}`,
      body: '',
      as: ADMIN,
    });

    assert.equal(answer.status, 201);
  });

  it('is 400 without a digest, with a malformed one and with the wrong one', async () => {
    await using node = await startNode();
    const location = await startUpload(node, 'local/app');

    for (const query of ['', '?digest=sha256:bad', `?digest=${ABSENT}`]) {
      const path = `${location}${query}`;
      const answer = await node.send({ method: 'PUT', path, body: LAYER, as: ADMIN });
      assert.equal(answer.status, 400, query);
      assert.equal(answer.code, 'DIGEST_INVALID', query);
    }
  });
});

describe('POST /v2/<name>/blobs/uploads/?mount= (end-11)', () => {
  it('links a blob of another repository', async () => {
    await using node = await startNode();
    await pushBlob(node, 'local/source', LAYER);

    const answer = await node.send({
      method: 'POST',
      path: `${UPLOADS}?mount=${DIGEST}&from=local/source`,
      as: ADMIN,
    });
    const stored = await node.send({ path: `/v2/local/app/blobs/${DIGEST}` });

    assert.equal(answer.status, 201);
    assert.equal(answer.headers.location, `/v2/local/app/blobs/${DIGEST}`);
    assert.equal(answer.headers['docker-content-digest'], DIGEST);
    assert.equal(stored.status, 200);
  });

  it('finds the blob without from in whatever the caller may pull', async () => {
    await using node = await startNode();
    await pushBlob(node, 'secret/source', LAYER);

    const answer = await node.send({
      method: 'POST',
      path: `${UPLOADS}?mount=${DIGEST}`,
      as: ADMIN,
    });

    assert.equal(answer.status, 201);
  });

  const NOT_THERE = [
    { name: 'a blob that is nowhere', query: `mount=${ABSENT}&from=local/source` },
    { name: 'a blob that is nowhere, without from', query: `mount=${ABSENT}` },
    { name: 'a repository that is not there', query: `mount=${DIGEST}&from=local/nothing` },
    { name: 'a name that is none', query: `mount=${DIGEST}&from=..%2Fetc` },
  ];
  for (const { name, query } of NOT_THERE) {
    it(`opens a session that can be used for ${name}`, async () => {
      await using node = await startNode();
      const blob = query.includes('from=local/nothing') || query.includes('etc');
      if (!blob) await pushBlob(node, 'local/source', 'another layer');

      const opened = await node.send({ method: 'POST', path: `${UPLOADS}?${query}`, as: ADMIN });
      const done = await node.send({
        method: 'PUT',
        path: `${opened.headers.location}?digest=${DIGEST}`,
        body: LAYER,
        as: ADMIN,
      });

      assert.equal(opened.status, 202);
      assert.equal(done.status, 201);
    });
  }
});
