import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer } from '../support/client.ts';
import { startNode, type TestNode } from '../support/node.ts';
import { pushBlob } from '../support/push.ts';

const CONTENT = Buffer.from(Array.from({ length: 2048 }, (_, index) => index % 251));

async function askFor(
  node: TestNode,
  range: string,
  { content = CONTENT, headers = {} }: { content?: Buffer; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const digest = await pushBlob(node, 'local/app', content);
  return node.send({
    path: `/v2/local/app/blobs/${digest}`,
    headers: { Range: range, ...headers },
  });
}

describe('a Range of a blob', () => {
  const SINGLE = [
    { range: 'bytes=500-1499', start: 500, end: 1500 },
    { range: 'bytes=500-', start: 500, end: 2048 },
    { range: 'bytes=-500', start: 1548, end: 2048 },
    { range: 'bytes=2000-5000', start: 2000, end: 2048 },
    { range: 'bytes=0-0', start: 0, end: 1 },
    { range: 'bytes=2047-', start: 2047, end: 2048 },
    { range: 'bytes=-9999', start: 0, end: 2048 },
    { range: 'Bytes = 0-9', start: 0, end: 10 },
    { range: `bytes=0-${'9'.repeat(40)}`, start: 0, end: 2048 },
  ];
  for (const { range, start, end } of SINGLE) {
    it(`is answered with 206 and exactly these bytes: ${range.slice(0, 24)}`, async () => {
      await using node = await startNode();

      const answer = await askFor(node, range);

      assert.equal(answer.status, 206);
      assert.equal(answer.headers['content-range'], `bytes ${start}-${end - 1}/2048`);
      assert.equal(answer.headers['content-length'], String(end - start));
      assert.ok(answer.body.equals(CONTENT.subarray(start, end)));
    });
  }

  for (const range of [
    'bytes=500-0',
    'bytes=5000-10000',
    'bytes=2048-',
    'bytes=-0',
    'bytes=0-1,9999-',
  ]) {
    it(`outside the blob is 416 and says how long the blob is: ${range}`, async () => {
      await using node = await startNode();

      const answer = await askFor(node, range);

      assert.equal(answer.status, 416);
      assert.equal(answer.headers['content-range'], 'bytes */2048');
      assert.equal(answer.code, 'SIZE_INVALID');
      assert.equal(answer.headers.etag, undefined);
    });
  }

  for (const range of [
    'bytes=',
    'bytes=a-b',
    'bytes=-',
    'items=0-1',
    'bytes=1-2-3',
    'x',
    'bytes=,,',
  ]) {
    it(`that is none is ignored: ${range}`, async () => {
      await using node = await startNode();

      const answer = await askFor(node, range);

      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 2048);
    });
  }

  it('counts only while If-Range names this content', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', CONTENT);

    const same = await askFor(node, 'bytes=0-9', { headers: { 'If-Range': `"${digest}"` } });
    const other = await askFor(node, 'bytes=0-9', { headers: { 'If-Range': '"other"' } });
    const weak = await askFor(node, 'bytes=0-9', { headers: { 'If-Range': `W/"${digest}"` } });
    const date = await askFor(node, 'bytes=0-9', {
      headers: { 'If-Range': 'Sat, 21 Nov 2026 07:00:00 GMT' },
    });

    assert.equal(same.status, 206);
    for (const answer of [other, weak, date]) {
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 2048);
    }
  });

  it('means nothing to HEAD', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', CONTENT);

    const answer = await node.send({
      method: 'HEAD',
      path: `/v2/local/app/blobs/${digest}`,
      headers: { Range: 'bytes=0-9' },
    });

    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-length'], '2048');
  });

  it('that ends before the blob does tells the source so', async () => {
    const asked: boolean[] = [];
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob(target, digest, options) {
            asked.push(options.whole);
            return blobs.blob(target, digest, options);
          },
        },
      }),
    });

    for (const range of ['bytes=0-9', 'bytes=-9', 'bytes=5-9,20-29']) await askFor(node, range);
    for (const range of ['bytes=0-', 'bytes=500- ', 'bytes=0-9, 10-']) await askFor(node, range);
    await askFor(node, 'bytes=0-9', { headers: { 'If-Range': '"other"' } });

    assert.deepEqual(asked, [false, false, false, true, true, true, true]);
  });
});

describe('several ranges of a blob', () => {
  it('are one part each, in the order asked for, overlapping and adjacent ones too', async () => {
    await using node = await startNode();

    const answer = await askFor(node, 'bytes=1000-1009, 0-9,10-19, 5-14,-5');

    assert.equal(answer.status, 206);
    assert.equal(Number(answer.headers['content-length']), answer.body.length);
    assert.deepEqual(partsOf(answer), [
      { range: 'bytes 1000-1009/2048', bytes: CONTENT.subarray(1000, 1010) },
      { range: 'bytes 0-9/2048', bytes: CONTENT.subarray(0, 10) },
      { range: 'bytes 10-19/2048', bytes: CONTENT.subarray(10, 20) },
      { range: 'bytes 5-14/2048', bytes: CONTENT.subarray(5, 15) },
      { range: 'bytes 2043-2047/2048', bytes: CONTENT.subarray(2043, 2048) },
    ]);
  });

  it('may be larger than any buffer', async () => {
    await using node = await startNode();
    const content = Buffer.alloc(3_000_000, 'abcdefg');

    const answer = await askFor(node, 'bytes=1-600001,2000000-2700000', { content });

    assert.deepEqual(
      partsOf(answer).map(({ bytes }) => bytes.length),
      [600_001, 700_001],
    );
    assert.ok(partsOf(answer)[1]?.bytes.equals(content.subarray(2_000_000, 2_700_001)));
  });

  it('are 1,024 at most, after which the client is told to ask for fewer', async () => {
    await using node = await startNode();
    const ranges = Array.from({ length: 1025 }, (_, index) => `${index}-${index}`);

    const most = await askFor(node, `bytes=${ranges.slice(1).join(',')}`);
    const more = await askFor(node, `bytes=${ranges.join(',')}`);

    assert.equal(most.status, 206);
    assert.equal(partsOf(most).length, 1024);
    assert.equal(more.status, 400);
  });

  it('that come to more than the blob are answered with the blob', async () => {
    await using node = await startNode();

    const answer = await askFor(node, 'bytes=0-,0-,0-');

    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, 2048);
  });
});

function partsOf(answer: Answer): { range: string; bytes: Buffer }[] {
  const type = String(answer.headers['content-type']);
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(type)?.[1];
  const text = answer.body.toString('latin1');
  const pieces = `\r\n${text}`.split(`\r\n--${boundary}`);
  assert.equal(pieces.at(0), '');
  assert.equal(pieces.at(-1), '--\r\n');
  return pieces.slice(1, -1).map((piece) => {
    const end = piece.indexOf('\r\n\r\n');
    const head = piece.slice(0, end);
    assert.match(head, /\r\nContent-Type: application\/octet-stream\r\n/);
    const range = /Content-Range: ([^\r]+)/.exec(head)?.[1] ?? '';
    return { range, bytes: Buffer.from(piece.slice(end + 4), 'latin1') };
  });
}
