import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import {
  type Arbitrary,
  array,
  asyncProperty,
  assert as check,
  constantFrom,
  nat,
  oneof,
  option,
  record,
  string,
  stringMatching,
  tuple,
} from 'fast-check';
import { digestOf } from '../../src/oci/digest.ts';
import { requestFailed } from '../../src/telemetry/channels.ts';
import { basic, exchange } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { ABSENT, pushBlob, pushImage } from './support/push.ts';

// `PORTOLAN_FUZZ_RUNS=100000` is the long form.
const RUNS = Number(process.env['PORTOLAN_FUZZ_RUNS'] ?? 150);
const CONTENT = 'a layer of some length';

/** Mostly what is there, so that the rest of the request counts; else near misses, which tell more than noise. */
const NAMES = oneof(
  { weight: 8, arbitrary: constantFrom('local/app') },
  {
    weight: 2,
    arbitrary: constantFrom('local', 'secret/app', 'docker.io/library/x', 'alpine', '_catalog', ''),
  },
  { weight: 1, arbitrary: stringMatching(/^[a-zA-Z0-9._/%:@-]{0,40}$/) },
  { weight: 1, arbitrary: string({ maxLength: 20 }).map(encodeURI) },
);
const ENDPOINTS = oneof(
  {
    weight: 8,
    arbitrary: constantFrom(
      'manifests/v1',
      `blobs/${digestOf(Buffer.from(CONTENT))}`,
      `blobs/${ABSENT}`,
      'tags/list',
      `referrers/${ABSENT}`,
      'blobs/uploads/',
      'blobs/uploads/x',
    ),
  },
  {
    weight: 2,
    arbitrary: tuple(
      constantFrom('manifests', 'blobs', 'tags', 'referrers', 'blobs/uploads', '_oci/ext'),
      oneof(
        constantFrom('v1', 'sha256:x', 'sha512:', '..', '%2e%2e', 'a%3Ab', ''),
        stringMatching(/^[\w.:%+=-]{0,140}$/),
      ),
    ).map(([resource, reference]) => `${resource}/${reference}`),
  },
);
const METHODS = constantFrom(
  'GET',
  'GET',
  'GET',
  'HEAD',
  'PUT',
  'PUT',
  'POST',
  'POST',
  'PATCH',
  'DELETE',
  'OPTIONS',
);
const QUERIES = option(
  oneof(
    constantFrom(
      '?ns=docker.io',
      '?n=5&last=v0',
      '?n=0',
      '?artifactType=x/y',
      '?ns=a&ns=b',
      '?tag=v2',
    ),
    tuple(
      constantFrom('n', 'last', 'ns', 'digest', 'mount', 'from', 'tag', 'artifactType'),
      string({ maxLength: 20 }),
    ).map(([name, value]) => `?${name}=${encodeURIComponent(value)}`),
  ),
  { nil: '' },
);
const RANGES = oneof(
  array(tuple(option(nat(40), { nil: '' }), option(nat(40), { nil: '' })), { maxLength: 6 }).map(
    (pairs) => `bytes=${pairs.map(([from, to]) => `${from}-${to}`).join(',')}`,
  ),
  stringMatching(/^[a-z= ,0-9-]{0,30}$/),
);
const HEADER_VALUES = oneof(
  RANGES,
  constantFrom('*', '""', '0-5', '5-0', '100-continue', 'Basic Og==', 'Bearer x', 'chunked', '-1'),
  stringMatching(/^[ -~]{0,60}$/),
);
const HEADERS: Arbitrary<readonly (readonly [string, string])[]> = array(
  tuple(
    constantFrom(
      'Range',
      'If-Range',
      'If-None-Match',
      'Content-Range',
      'Content-Type',
      'Accept',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'Host',
    ),
    HEADER_VALUES,
  ),
  { maxLength: 3 },
);

describe('whatever a client sends', () => {
  it('is answered, and never with a fault of ours', async () => {
    await using node = await startNode({ app: { trustedProxies: ['127.0.0.1'] } });
    await pushImage(node, 'local/app', ['v1'], { layers: [CONTENT] });

    const requests = record({
      method: METHODS,
      path: tuple(NAMES, ENDPOINTS, QUERIES).map(
        ([name, endpoint, query]) => `/v2/${name}/${endpoint}${query}`,
      ),
      headers: HEADERS,
      body: option(string({ maxLength: 60 }), { nil: '' }),
      login: option(constantFrom(...Array<string>(8).fill(basic(ADMIN)), 'Bearer x'), { nil: '' }),
    })
      // What the others ask for stays.
      .filter(({ method, path }) => method !== 'DELETE' || !path.startsWith('/v2/local/app/'));
    await check(
      asyncProperty(requests, async ({ method, path, headers, body, login }) => {
        const text = rawRequest({
          method,
          path,
          headers: login === '' ? headers : [...headers, ['Authorization', login]],
          body,
        });

        const answer = await exchange(node, text);

        const status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(answer)?.[1]);
        assert.ok(status >= 200 && status < 500, `${status} to\n${text}\n${answer}`);
        if (status >= 400 && method !== 'HEAD') assert.match(answer, /\{"errors":\[\{"code":"/);
      }),
      { numRuns: RUNS },
    );

    const after = await node.send({ path: '/v2/local/app/manifests/v1' });
    assert.equal(after.status, 200);
  });

  it('as Range gets bytes of the blob as its Content-Range says', async () => {
    await using node = await startNode();
    const digest = await pushBlob(node, 'local/app', CONTENT);

    await check(
      asyncProperty(RANGES, async (range) => {
        const answer = await node.send({
          path: `/v2/local/app/blobs/${digest}`,
          headers: { Range: range },
        });

        const text = answer.body.toString('latin1');
        if (answer.status === 200) assert.equal(text, CONTENT);
        else if (answer.status === 206) assertParts(answer.headers, text);
        else assert.ok(answer.status === 416, `${answer.status} to ${range}`);
      }),
      { numRuns: RUNS },
    );
  });

  it('as bytes on the connection leaves the node serving', async () => {
    await using node = await startNode();
    const failures: unknown[] = [];
    using _ = requestFailed.subscribe(({ error }) => failures.push(error));

    await check(
      asyncProperty(array(LINES, { maxLength: 6 }), async (lines) => {
        await pour(node, `${lines.join('\r\n')}\r\n\r\n`);

        const answer = await node.send({ path: '/v2/', as: ADMIN });
        assert.equal(answer.status, 200);
        assert.deepEqual(failures, []);
      }),
      { numRuns: Math.ceil(RUNS / 3) },
    );
  });
});

const LINES = oneof(
  constantFrom(
    'GET /v2/ HTTP/1.1',
    'PUT /v2/local/app/manifests/v1 HTTP/1.1',
    'GET http://other/v2/ HTTP/1.1',
    'GET http://[::1 HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'Host: x',
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
    'Expect: 100-continue',
    'Expect: nothing',
    'Upgrade: h2c',
    'Connection: upgrade',
    '5;x=y',
    'ffffffffff',
    '0',
    '',
  ),
  string({ unit: 'binary-ascii', maxLength: 40 }),
);

interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

function rawRequest({ method, path, headers, body }: RawRequest): string {
  const lines = [...new Map([['Host', 'registry.example'], ...headers])].map(
    ([name, value]) => `${name}: ${value}`,
  );
  lines.push(`Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close');
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

function assertParts(headers: Readonly<Record<string, unknown>>, text: string): void {
  assert.equal(String(text.length), headers['content-length']);
  const single = headers['content-range'];
  if (typeof single === 'string') return assertPart(single, text);
  for (const [, range = '', content = ''] of text.matchAll(
    /Content-Range: ([^\r]+)\r\n\r\n([^\r]*)\r\n--/g,
  )) {
    assertPart(range, content);
  }
}

function assertPart(range: string, content: string): void {
  const [, start, last] = /^bytes ([0-9]+)-([0-9]+)\/22$/.exec(range) ?? [];
  assert.equal(content, CONTENT.slice(Number(start), Number(last) + 1));
}

/** Sends the bytes and goes away without waiting for an end that may never come. */
async function pour({ host, port }: TestNode, text: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ host, port }, () => socket.end(text, 'latin1'));
  socket.on('error', () => {}).on('close', () => resolve());
  socket.resume();
  socket.setTimeout(2_000, () => socket.destroy());
  await promise;
}
