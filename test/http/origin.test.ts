import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { createOrigins } from '../../src/http/origin.ts';
import { requestFinished } from '../../src/telemetry/channels.ts';
import { serve } from '../support/serve.ts';
import { exchange } from './support/client.ts';
import { startNode } from './support/node.ts';

const FORWARDED = {
  'X-Forwarded-For': '198.51.100.7, 192.0.2.1, 10.1.2.3',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'Registry.example, inner',
  Host: 'inner:5000',
};

/** Where the node believes a request with these headers comes from, and what it calls itself to the client. */
async function seen(
  trustedProxies: readonly string[],
  headers: Record<string, string> = FORWARDED,
): Promise<{ address: string; realm: string | undefined }> {
  const { promise: fact, resolve: publish } = Promise.withResolvers<string>();
  await using node = await startNode({ app: { trustedProxies } });
  using _ = requestFinished.subscribe(({ clientAddress }) => publish(clientAddress));
  const answer = await node.send({ path: '/v2/', headers });
  const realm = /realm="([^"]*)\/service\/token"/.exec(
    String(answer.headers['www-authenticate']),
  )?.[1];
  return { address: await fact, realm };
}

describe('X-Forwarded headers', () => {
  it('mean nothing unless a proxy is trusted', async () => {
    assert.deepEqual(await seen([]), { address: '127.0.0.1', realm: 'http://inner:5000' });
  });

  it('mean nothing from an address that is not trusted', async () => {
    assert.deepEqual(await seen(['10.0.0.0/8', '::1']), {
      address: '127.0.0.1',
      realm: 'http://inner:5000',
    });
  });

  it('of a trusted proxy name the client: the last address that nobody trusts', async () => {
    assert.deepEqual(await seen(['127.0.0.1', '10.0.0.0/8']), {
      address: '192.0.2.1',
      realm: 'https://registry.example',
    });
    assert.deepEqual(await seen(['127.0.0.0/8', '10.0.0.0/8', '192.0.2.0/24']), {
      address: '198.51.100.7',
      realm: 'https://registry.example',
    });
  });

  it('of a trusted proxy are used as far as they make sense', async () => {
    const headers = {
      'X-Forwarded-For': 'unknown, 192.0.2.1',
      'X-Forwarded-Host': 'a b"',
      Host: 'inner',
    };

    assert.deepEqual(await seen(['127.0.0.1', '192.0.2.1'], headers), {
      address: '192.0.2.1',
      realm: '',
    });
    assert.deepEqual(await seen(['127.0.0.1'], { Host: 'inner' }), {
      address: '127.0.0.1',
      realm: 'http://inner',
    });
  });

  it('of a trusted proxy say whether the client speaks TLS', async () => {
    const origins = [['127.0.0.1'], ['192.0.2.1']].map((trustedProxies) =>
      createOrigins({ trustedProxies }),
    );
    const { promise: secure, resolve } = Promise.withResolvers<readonly boolean[]>();
    await using server = await serve({
      listen: (port, host) =>
        createServer((request, response) => {
          resolve(origins.map((originOf) => originOf(request).isSecure));
          response.end();
        }).listen(port, host),
    });

    await exchange(
      { host: server.url.hostname, port: Number(server.url.port) },
      'GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: HTTPS\r\nConnection: close\r\n\r\n',
    );

    assert.deepEqual(await secure, [true, false]);
  });

  it('are not configured by what is no address', () => {
    assert.throws(() => createOrigins({ trustedProxies: ['proxy.example'] }), RangeError);
    assert.throws(() => createOrigins({ trustedProxies: ['10.0.0.0/99'] }), RangeError);
  });
});
