import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { digestOf } from '../../../src/oci/digest.ts';
import { type Answer, basic, exchange } from '../support/client.ts';
import { ADMIN, startNode, type TestNode } from '../support/node.ts';
import { startUpload } from '../support/push.ts';

const CHUNKS = ['first|', 'second|', 'third'].map((text) => Buffer.from(text));
const WHOLE = Buffer.concat(CHUNKS);
const DIGEST = digestOf(WHOLE);

function patch(
  node: TestNode,
  path: string,
  body: Buffer | AsyncIterable<Uint8Array>,
  range?: string,
): Promise<Answer> {
  const headers = range === undefined ? {} : { 'Content-Range': range };
  return node.send({ method: 'PATCH', path, body, headers, as: ADMIN });
}

/** Sends the first chunk; 6 bytes. */
async function started(node: TestNode): Promise<string> {
  const location = await startUpload(node, 'local/app');
  const answer = await patch(node, location, CHUNKS[0] ?? WHOLE, '0-5');
  assert.equal(answer.status, 202);
  return answer.headers.location ?? '';
}

describe('PATCH <location> (end-5)', () => {
  it('appends chunks in order and says how far it is', async () => {
    await using node = await startNode();
    let location = await startUpload(node, 'local/app');
    let received = 0;

    for (const chunk of CHUNKS) {
      const end = received + chunk.length - 1;
      const answer = await patch(node, location, chunk, `${received}-${end}`);
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.range, `0-${end}`);
      assert.equal(answer.headers['content-length'], '0');
      assert.match(String(answer.headers.location), /^\/v2\/local\/app\/blobs\/uploads\/[\w-]+$/);
      location = answer.headers.location ?? '';
      received += chunk.length;
    }
    const path = `${location}?digest=${DIGEST}`;
    const done = await node.send({ method: 'PUT', path, body: '', as: ADMIN });
    const stored = await node.send({ path: `/v2/local/app/blobs/${DIGEST}` });

    assert.equal(done.status, 201);
    assert.ok(stored.body.equals(WHOLE));
  });

  it('takes a stream of unknown length without a range', async () => {
    await using node = await startNode();
    const location = await startUpload(node, 'local/app');

    const answer = await patch(node, location, Readable.from(CHUNKS));

    assert.equal(answer.status, 202);
    assert.equal(answer.headers.range, `0-${WHOLE.length - 1}`);
  });

  const OUT_OF_ORDER = [
    { name: 'skips ahead', range: '9-14' },
    { name: 'starts again', range: '0-5' },
    { name: 'overlaps', range: '3-8' },
  ];
  for (const { name, range } of OUT_OF_ORDER) {
    it(`that ${name} is 416 with the way on, and the session survives it`, async () => {
      await using node = await startNode();
      const location = await started(node);

      const refused = await patch(node, location, Buffer.from('wrong!'), range);
      const status = await node.send({ path: location, as: ADMIN });
      const body = WHOLE.subarray(6);
      const path = `${status.headers.location}?digest=${DIGEST}`;
      const done = await node.send({ method: 'PUT', path, body, as: ADMIN });

      assert.equal(refused.status, 416);
      assert.equal(refused.code, 'BLOB_UPLOAD_INVALID');
      assert.equal(refused.headers.location, location);
      assert.equal(refused.headers.range, '0-5');
      assert.equal(status.status, 204);
      assert.equal(status.headers.range, '0-5');
      assert.equal(done.status, 201);
    });
  }

  it('whose body is not as long as its range is 400', async () => {
    await using node = await startNode();
    const location = await started(node);

    const declared = await patch(node, location, Buffer.from('four'), '6-10');
    const streamed = await patch(node, location, Readable.from([Buffer.from('four')]), '6-10');

    assert.equal(declared.status, 400);
    assert.equal(declared.code, 'SIZE_INVALID');
    assert.equal(streamed.status, 400);
    assert.equal(streamed.code, 'SIZE_INVALID');
  });

  for (const range of [
    'bytes 6-9/10',
    '6',
    '6-',
    '-9',
    'a-b',
    '9-6',
    '6-9,10-11',
    `0-${'9'.repeat(20)}`,
  ]) {
    it(`with the range ${range.slice(0, 12)} is 400`, async () => {
      await using node = await startNode();
      const location = await started(node);

      const answer = await patch(node, location, Buffer.from('four'), range);

      assert.equal(answer.status, 400);
      assert.equal(answer.code, 'BLOB_UPLOAD_INVALID');
    });
  }
});

describe('the last chunk in PUT <location>?digest=', () => {
  it('is taken in order', async () => {
    await using node = await startNode();
    const location = await started(node);

    const done = await node.send({
      method: 'PUT',
      path: `${location}?digest=${DIGEST}`,
      headers: { 'Content-Range': `6-${WHOLE.length - 1}` },
      body: WHOLE.subarray(6),
      as: ADMIN,
    });

    assert.equal(done.status, 201);
  });

  it('is 416 out of order, and the same URL then says where the session ends', async () => {
    await using node = await startNode();
    const path = `${await started(node)}?digest=${DIGEST}`;

    const refused = await node.send({
      method: 'PUT',
      path,
      headers: { 'Content-Range': '7-10' },
      body: 'nope',
      as: ADMIN,
    });
    const status = await node.send({ path, as: ADMIN });

    assert.equal(refused.status, 416);
    assert.equal(status.status, 204);
    assert.equal(status.headers.range, '0-5');
    assert.ok(status.headers.location);
  });

  it('is 400 when there is a range and no body at all', async () => {
    await using node = await startNode();
    const location = await started(node);
    const digest = digestOf(WHOLE.subarray(0, 6));
    const lines = [
      `PUT ${location}?digest=${digest} HTTP/1.1`,
      'Host: x',
      'Content-Range: 6-11',
      `Authorization: ${basic(ADMIN)}`,
      'Connection: close',
    ];

    const answer = await exchange(node, `${lines.join('\r\n')}\r\n\r\n`);

    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, /"code":"SIZE_INVALID"/);
  });
});

describe('GET <location> (end-13)', () => {
  it('is 204 with the location and how far the session is', async () => {
    await using node = await startNode();
    const fresh = await startUpload(node, 'local/app');

    const before = await node.send({ path: fresh, as: ADMIN });
    await patch(node, fresh, WHOLE);
    const after = await node.send({ path: fresh, as: ADMIN });

    assert.equal(before.status, 204);
    assert.equal(before.headers.range, '0-0');
    assert.equal(after.headers.range, `0-${WHOLE.length - 1}`);
    assert.equal(after.headers.location, fresh);
    assert.ok(fresh.endsWith(String(after.headers['docker-upload-uuid'])));
  });

  it('knows no session of another repository, of another caller, or of nobody', async () => {
    await using node = await startNode();
    const location = await startUpload(node, 'local/app');

    const elsewhere = await node.send({ path: location.replace('app', 'other'), as: ADMIN });
    const other = await node.send({ path: location, as: 'guest:pw' });
    const nobody = await node.send({ path: `/v2/local/app/blobs/uploads/nothing`, as: ADMIN });

    for (const answer of [elsewhere, other, nobody]) {
      assert.equal(answer.status, 404);
      assert.equal(answer.code, 'BLOB_UPLOAD_UNKNOWN');
    }
  });
});

describe('DELETE <location> (end-14, main branch)', () => {
  it('is 204, after which there is no session', async () => {
    await using node = await startNode();
    const location = await started(node);

    const cancelled = await node.send({ method: 'DELETE', path: location, as: ADMIN });
    const again = await node.send({ method: 'DELETE', path: location, as: ADMIN });
    const status = await node.send({ path: location, as: ADMIN });
    const late = await patch(node, location, WHOLE);

    assert.equal(cancelled.status, 204);
    for (const answer of [again, status, late]) {
      assert.equal(answer.status, 404);
      assert.equal(answer.code, 'BLOB_UPLOAD_UNKNOWN');
    }
  });
});

describe('more uploads at one time than are allowed', () => {
  it('are 503 with Retry-After until one of them is done', async () => {
    await using node = await startNode({ app: { mostUploads: 1 } });
    const [one, two] = [await startUpload(node, 'local/app'), await startUpload(node, 'local/app')];
    const { promise: rest, resolve: finish } = Promise.withResolvers<Buffer>();
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield WHOLE;
      yield await rest;
    }

    const first = patch(node, one, slowly());
    let refused = await patch(node, two, WHOLE);
    while (refused.status === 202) refused = await patch(node, two, WHOLE);
    finish(WHOLE);
    const finished = await first;
    const later = await patch(node, two, WHOLE);

    assert.equal(refused.status, 503);
    assert.equal(refused.code, 'UNAVAILABLE');
    assert.equal(refused.headers['retry-after'], '5');
    assert.equal(finished.status, 202);
    assert.equal(later.status, 202);
  });
});
