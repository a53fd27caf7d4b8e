import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { certificateIn } from './support/certificate.ts';
import { exchange } from './support/client.ts';
import { ADMIN, startNode } from './support/node.ts';
import { pushBlob, startUpload } from './support/push.ts';

describe('what is no request', () => {
  const BAD = [
    { name: 'another protocol', text: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' },
    { name: 'no request line', text: 'hello\r\n\r\n' },
    { name: 'a header that is none', text: 'GET /v2/ HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n' },
    {
      name: 'two lengths',
      text: 'PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    },
    {
      name: 'a length beside chunks',
      text: 'PUT /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    },
    {
      name: 'the path of a proxy',
      text: 'GET http://[/v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    },
    { name: 'no path', text: 'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' },
    { name: 'no host', text: 'GET /v2/ HTTP/1.1\r\n\r\n' },
  ];
  for (const { name, text } of BAD) {
    it(`is answered with 400 and cut off: ${name}`, async () => {
      await using node = await startNode();

      const answer = await exchange(node, text);

      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
    });
  }

  it('is 431 when the head is larger than 64 KiB', async () => {
    await using node = await startNode();

    const fits = await node.send({ path: '/v2/', headers: { 'X-Large': 'x'.repeat(60_000) } });
    const answer = await exchange(
      node,
      `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(70_000)}\r\n\r\n`,
    );

    assert.equal(fits.status, 401);
    assert.match(answer, /^HTTP\/1\.1 431 /);
    assert.match(answer, /"errors":\[\{"code":"UNSUPPORTED"/);
  });

  it('is 408 when the head does not come in time', async () => {
    await using node = await startNode({ listen: { timeouts: { headers: 100 } } });

    const answer = await exchange(node, 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow:');

    assert.match(answer, /^HTTP\/1\.1 408 /);
  });
});

describe('a silent client', () => {
  it('is cut off in the middle of its body', async () => {
    await using node = await startNode({ listen: { timeouts: { idle: 100 } } });
    const text = `PUT /v2/local/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: ${login()}\r\n\r\n{`;

    const answer = await exchange(node, text);

    assert.equal(answer, '');
  });

  it('is cut off when it stops reading, and what it was reading is closed', async () => {
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    await using node = await startNode({
      listen: { timeouts: { idle: 200 } },
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          async blob(target, digest, options) {
            const reader = await blobs.blob(target, digest, options);
            return {
              ...reader,
              async [Symbol.asyncDispose]() {
                await reader[Symbol.asyncDispose]();
                close();
              },
            };
          },
        },
      }),
    });
    const digest = await pushBlob(node, 'local/app', Buffer.alloc(64 << 20));
    const socket = connect({ host: node.host, port: node.port });
    socket.on('error', () => {});
    socket.write(`GET /v2/local/app/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, 'readable');

    await closed;

    assert.ok(socket.bytesRead < 64 << 20);
    socket.destroy();
  });

  it('is waited for as long as it takes us to answer', async () => {
    const { promise: bytes, resolve: arrive } = Promise.withResolvers<void>();
    await using node = await startNode({
      listen: { timeouts: { idle: 50 } },
      ports: ({ tags }) => ({
        tags: {
          async tags(target, options) {
            await bytes;
            return tags.tags(target, options).catch(() => ['late']);
          },
        },
      }),
    });

    const answering = node.send({ path: '/v2/local/app/tags/list' });
    const timer = setTimeout(arrive, 300);
    const answer = await answering;
    clearTimeout(timer);

    assert.deepEqual(answer.json(), { name: 'local/app', tags: ['late'] });
  });

  it('is waited for when it is our disk that holds its body up', async () => {
    await using node = await startNode({
      listen: { timeouts: { idle: 50 } },
      ports: ({ uploads }) => ({
        uploads: {
          ...uploads,
          async appendUpload(target, session, source, options) {
            const { promise: disk, resolve: work } = Promise.withResolvers<void>();
            const timer = setTimeout(work, 300);
            await disk;
            clearTimeout(timer);
            return uploads.appendUpload(target, session, source, options);
          },
        },
      }),
    });
    const path = await startUpload(node, 'local/app');

    const answer = await node.send({
      method: 'PATCH',
      path,
      body: Buffer.alloc(4 << 20),
      as: ADMIN,
    });

    assert.equal(answer.status, 202);
    assert.equal(answer.headers.range, `0-${(4 << 20) - 1}`);
  });

  it('keeps its connection for longer than the 90 s of Go clients', async () => {
    await using node = await startNode();

    const answer = await node.send({ path: '/v2/', as: ADMIN });

    assert.equal(answer.headers['keep-alive'], 'timeout=95');
  });
});

describe('a listener with a certificate', () => {
  it('speaks TLS', async () => {
    await using folder = await temporaryDirectory();
    const { certificate, ...tls } = await certificateIn(folder.path);
    await using node = await startNode({ listen: { tls } });

    const outgoing = httpsRequest({
      host: 'localhost',
      port: node.port,
      path: '/v2/',
      ca: certificate,
      agent: false,
    });
    outgoing.end();
    const [response] = await once(outgoing, 'response');
    response.resume();

    assert.equal(response.statusCode, 401);
  });

  it('waits for a handshake no longer than for the head of a request', async () => {
    await using folder = await temporaryDirectory();
    await using node = await startNode({
      listen: { tls: await certificateIn(folder.path), timeouts: { headers: 100 } },
    });

    for (const text of ['', '\x16\x03\x01\x02\x00']) {
      assert.equal(await exchange(node, text), '');
    }
  });

  it('closes at its deadline although somebody is in the middle of a handshake', async () => {
    await using folder = await temporaryDirectory();
    await using node = await startNode({ listen: { tls: await certificateIn(folder.path) } });
    const silent = exchange(node, '\x16\x03\x01\x02\x00').catch(() => 'reset');
    // Accepted in turn: when this one has been sent away, the other is there.
    await exchange(node, 'no TLS');

    await node.listener.close({ deadlineMs: 50 });

    await silent;
  });

  it('is not opened with a key that is not there', async () => {
    await using folder = await temporaryDirectory();
    const { certFile } = await certificateIn(folder.path);

    await assert.rejects(
      startNode({ listen: { tls: { certFile, keyFile: `${folder.path}/x` } } }),
      {
        code: 'ENOENT',
      },
    );
  });
});

describe('a listener', () => {
  it('says so when its address is taken', async () => {
    await using node = await startNode();
    const { host, port } = node;

    await assert.rejects(startNode({ listen: { address: { host, port } } }), {
      code: 'EADDRINUSE',
    });
  });

  it('that closes lets running requests finish and takes no new ones', async () => {
    const { promise: bytes, resolve: arrive } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    await using node = await startNode({
      ports: () => ({
        tags: {
          async tags() {
            ask();
            await bytes;
            return ['late'];
          },
        },
      }),
    });
    await node.send({ path: '/v2/', as: ADMIN });

    const running = node.send({ path: '/v2/local/app/tags/list' });
    await asked;
    const closing = node.listener.close({ deadlineMs: 10_000 });
    await assert.rejects(exchange(node, 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'), {
      code: 'ECONNREFUSED',
    });
    arrive();
    const answer = await running;
    await closing;

    assert.deepEqual(answer.json(), { name: 'local/app', tags: ['late'] });
  });

  it('that closes cuts what has not finished by the deadline', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    await using node = await startNode({
      ports: () => ({
        tags: {
          tags(_target, { signal }) {
            ask();
            return new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason));
            });
          },
        },
      }),
    });

    const running = assert.rejects(node.send({ path: '/v2/local/app/tags/list' }));
    await asked;
    await node.listener.close({ deadlineMs: 50 });

    await running;
  });

  it('that closes waits for what a request still does whose connection it cut', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const done: string[] = [];
    await using node = await startNode({
      ports: () => ({
        tags: {
          async tags(_target, { signal }) {
            ask();
            await once(signal, 'abort');
            await delay(50);
            done.push('written');
            return [];
          },
        },
      }),
    });

    const running = assert.rejects(node.send({ path: '/v2/local/app/tags/list' }));
    await asked;
    await node.listener.close({ deadlineMs: 0 });
    done.push('closed');
    await running;

    assert.deepEqual(done, ['written', 'closed']);
  });
});

function login(): string {
  return `Basic ${Buffer.from(ADMIN).toString('base64')}`;
}
