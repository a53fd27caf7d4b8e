import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OciError, type OciErrorCode } from '../../src/oci/error.ts';
import { requestFailed, requestFinished } from '../../src/telemetry/channels.ts';
import type { Answer } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';

/** A node whose every tag list fails so. */
function failing(error: unknown): Promise<TestNode> {
  const tags = async (): Promise<never> => {
    throw error;
  };
  return startNode({ ports: () => ({ tags: { tags } }) });
}

async function answerTo(error: unknown, method = 'GET'): Promise<Answer> {
  await using node = await failing(error);
  return await node.send({ method, path: '/v2/local/app/tags/list', as: ADMIN });
}

describe('an error', () => {
  const ROWS: readonly { thrown: OciErrorCode; status: number; code?: string }[] = [
    { thrown: 'STORAGE_FULL', status: 507 },
    { thrown: 'UPSTREAM_UNAVAILABLE', status: 502 },
    { thrown: 'UPSTREAM_TIMEOUT', status: 504 },
    { thrown: 'UPSTREAM_DENIED', status: 403, code: 'DENIED' },
    { thrown: 'UNAVAILABLE', status: 503 },
    { thrown: 'TOOMANYREQUESTS', status: 429 },
    { thrown: 'MANIFEST_TOO_LARGE', status: 413, code: 'MANIFEST_INVALID' },
    { thrown: 'RANGE_INVALID', status: 416, code: 'BLOB_UPLOAD_INVALID' },
    { thrown: 'TAG_INVALID', status: 400, code: 'MANIFEST_INVALID' },
    { thrown: 'TAG_IMMUTABLE', status: 412, code: 'PRECONDITION' },
    { thrown: 'UNSUPPORTED', status: 405 },
  ];
  for (const { thrown, status, code = thrown } of ROWS) {
    it(`of kind ${thrown} is ${status} ${code}`, async () => {
      const answer = await answerTo(new OciError(thrown, { detail: { some: 'fact' } }));

      assert.equal(answer.status, status);
      assert.match(String(answer.headers['content-type']), /^application\/json/);
      const { errors } = JSON.parse(answer.body.toString());
      assert.equal(errors.length, 1);
      assert.equal(errors[0].code, code);
      assert.equal(typeof errors[0].message, 'string');
      assert.deepEqual(errors[0].detail, { some: 'fact' });
    });
  }

  it('says when to come again', async () => {
    const answer = await answerTo(new OciError('TOOMANYREQUESTS', { retryAfterSeconds: 30.2 }));

    assert.equal(answer.headers['retry-after'], '31');
  });

  it('says more than its kind where there is more to say', async () => {
    const answer = await answerTo(new OciError('DENIED', { message: 'project x is read-only' }));

    assert.match(answer.body.toString(), /"message":"project x is read-only"/);
  });

  it('has no body in the answer to HEAD', async () => {
    const answer = await answerTo(
      new OciError('TOOMANYREQUESTS', { retryAfterSeconds: 5 }),
      'HEAD',
    );

    assert.equal(answer.status, 429);
    assert.equal(answer.headers['retry-after'], '5');
    assert.equal(answer.body.length, 0);
  });

  it('that nobody foresaw tells the client nothing and the log everything', async () => {
    const secret = new Error('password hunter2 at /data/blobs');
    const failures: unknown[] = [];
    using _ = requestFailed.subscribe(({ error }) => failures.push(error));

    const answer = await answerTo(secret);

    assert.equal(answer.status, 500);
    assert.deepEqual(answer.json(), { errors: [{ code: 'UNKNOWN', message: 'unknown error' }] });
    assert.ok(failures.includes(secret));
  });

  it('that is not even an Error is 500 as well', async () => {
    const answer = await answerTo('a string');

    assert.equal(answer.status, 500);
  });
});

describe('what the node tells of a request', () => {
  it('names the route, the caller, the status and the code', async () => {
    await using node = await startNode();
    const { promise: fact, resolve: publish } = Promise.withResolvers<object>();
    using _ = requestFinished.subscribe((finished) => {
      if (finished.path === '/v2/local/told/manifests/v1') publish(finished);
    });

    const answer = await node.send({
      path: '/v2/local/told/manifests/v1?x=secret',
      headers: { 'User-Agent': 'tester/1' },
      as: ADMIN,
    });

    const { durationMs, ...rest } = { durationMs: 0, ...(await fact) };
    assert.ok(durationMs > 0);
    assert.deepEqual(rest, {
      id: answer.headers['x-request-id'],
      method: 'GET',
      path: '/v2/local/told/manifests/v1',
      route: 'manifest',
      status: 404,
      code: 'NAME_UNKNOWN',
      sentBytes: answer.body.length,
      caller: 'admin',
      clientAddress: '127.0.0.1',
      userAgent: 'tester/1',
    });
  });
});
