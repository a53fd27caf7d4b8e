import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { BlobReader } from '../../src/http/send-blob.ts';
import { requestFinished } from '../../src/telemetry/channels.ts';
import { basic } from './support/client.ts';
import { ADMIN, startNode, type TestNode } from './support/node.ts';
import { ABSENT, startUpload } from './support/push.ts';
import { readerOf } from './support/reader.ts';

async function open(node: TestNode, text: string): Promise<Socket> {
  const socket = connect({ host: node.host, port: node.port });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

const GET_BLOB = `GET /v2/local/app/blobs/${ABSENT} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('a client that goes away', () => {
  it('frees the blob that it was waiting for, within a second', async () => {
    const { promise: waiting, resolve: wait } = Promise.withResolvers<void>();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({
            size: 1 << 20,
            read(_into, _position, { signal }) {
              wait();
              return new Promise((_, reject) => {
                signal.addEventListener('abort', () => reject(signal.reason), { once: true });
              });
            },
            [Symbol.asyncDispose]: async () => close(),
          }),
        },
      }),
    });

    const socket = await open(node, GET_BLOB);
    await waiting;
    socket.destroy();

    await withinASecond(closed);
  });

  it('frees the blob even if the source does not notice', async () => {
    const content = Buffer.alloc(16 << 20);
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({ ...readerOf(content), [Symbol.asyncDispose]: async () => close() }),
        },
      }),
    });

    const socket = await open(node, GET_BLOB);
    await once(socket, 'readable');
    socket.destroy();

    await withinASecond(closed);
  });

  it('leaves no read behind that could write into the answer of another', async () => {
    const content = Buffer.alloc(1 << 20, 'x');
    const whole = readerOf(content);
    const { promise: reading, resolve: start } = Promise.withResolvers<Buffer>();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    const abandoned: BlobReader = {
      ...whole,
      read(into, _position, { signal }) {
        start(into);
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      },
      [Symbol.asyncDispose]: async () => close(),
    };
    const next: BlobReader = {
      ...whole,
      async read(into, position, options) {
        const length = await whole.read(into, position, options);
        (await reading).fill('!');
        return length;
      },
    };
    const readers = [abandoned];
    await using node = await startNode({
      ports: ({ blobs }) => ({ blobs: { ...blobs, blob: async () => readers.pop() ?? next } }),
    });
    const socket = await open(node, GET_BLOB);
    await reading;
    socket.destroy();
    await closed;

    const { body } = await node.send({ path: `/v2/local/app/blobs/${ABSENT}` });

    assert.ok(body.equals(content));
  });

  it('frees a download whose turn on the connection never came', async () => {
    let closed = 0;
    const { promise: both, resolve: done } = Promise.withResolvers<void>();
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({
            ...readerOf(Buffer.alloc(16 << 20)),
            async [Symbol.asyncDispose]() {
              closed++;
              if (closed === 2) done();
            },
          }),
        },
      }),
    });

    const socket = await open(node, GET_BLOB + GET_BLOB);
    await once(socket, 'readable');
    socket.destroy();

    await withinASecond(both);
  });

  it('is known to be gone to whoever asks only then', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    const { promise: seen, resolve: see } = Promise.withResolvers<boolean>();
    using _ = requestFinished.subscribe(() => finish());
    await using node = await startNode({
      ports: ({ manifests }) => ({
        manifests: {
          ...manifests,
          async manifest(_target, _reference, options) {
            ask();
            await finished;
            see(options.signal.aborted);
            throw new Error('too late');
          },
        },
      }),
    });
    const socket = await open(node, 'GET /v2/local/app/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n');
    await asked;

    socket.destroy();

    assert.equal(await seen, true);
  });

  it('leaves its upload with what has come', async () => {
    const { promise: source, resolve: hand } = Promise.withResolvers<Readable>();
    await using node = await startNode({
      ports: ({ uploads }) => ({
        uploads: {
          ...uploads,
          appendUpload(target, session, body, options) {
            hand(body);
            return uploads.appendUpload(target, session, body, options);
          },
        },
      }),
    });
    const location = await startUpload(node, 'local/app');

    const socket = await open(
      node,
      `PATCH ${location} HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(ADMIN)}\r\nContent-Length: 100\r\n\r\nabc`,
    );
    const body = await source;
    const failed = once(body, 'error');
    socket.destroy();

    const [error] = await failed;
    assert.match(String(error), /client went away/);
  });

  it('is told of as aborted, with the bytes that it got', async () => {
    const { promise: fact, resolve: publish } = Promise.withResolvers<{
      status: number;
      sentBytes: number;
      aborted?: boolean | undefined;
    }>();
    using _ = requestFinished.subscribe((finished) => {
      if (finished.path.includes('/local/gone/')) publish(finished);
    });
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: { ...blobs, blob: async () => readerOf(Buffer.alloc(64 << 20)) },
      }),
    });

    const socket = await open(node, GET_BLOB.replace('/local/app/', '/local/gone/'));
    await once(socket, 'readable');
    socket.destroy();
    const { status, sentBytes, aborted } = await fact;

    assert.equal(status, 200);
    assert.equal(aborted, true);
    assert.ok(sentBytes > 0 && sentBytes < 64 << 20, String(sentBytes));
  });
});

describe('a blob that breaks off', () => {
  it('before its first byte is answered as the error it is', async () => {
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({
            ...readerOf(Buffer.alloc(10)),
            read: () => Promise.reject(new Error('disk')),
          }),
        },
      }),
    });

    const answer = await node.send({ path: `/v2/local/app/blobs/${ABSENT}` });

    assert.equal(answer.status, 500);
    assert.equal(answer.code, 'UNKNOWN');
    assert.equal(answer.headers['docker-content-digest'], undefined);
  });

  it('later cuts the connection, so that nobody takes it for whole', async () => {
    await using node = await startNode({
      ports: ({ blobs }) => ({
        blobs: {
          ...blobs,
          blob: async () => ({
            ...readerOf(Buffer.alloc(10)),
            read: async (_into, position) => (position === 0 ? 4 : 0),
          }),
        },
      }),
    });

    await assert.rejects(node.send({ path: `/v2/local/app/blobs/${ABSENT}` }), {
      code: 'ECONNRESET',
    });
  });
});

async function withinASecond(event: Promise<unknown>): Promise<void> {
  const late = new AbortController();
  const deadline = setTimeout(1000, 'late', { signal: late.signal });
  deadline.catch(() => {});
  assert.notEqual(await Promise.race([event, deadline]), 'late', 'not freed within a second');
  late.abort();
}
