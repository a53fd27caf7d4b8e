import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { startNode } from './support/node.ts';
import { pushBlob } from './support/push.ts';

const SIZE = 64 << 20;

describe('a listener that closes during a download', () => {
  it('sends the rest, and then ends the connection that was to be kept', async () => {
    await using node = await startNode();
    const { socket, received } = await startDownload(node);

    const closing = node.listener.close({ deadlineMs: 20_000 });
    socket.resume();
    await closing;

    assert.ok((await received) > SIZE);
  });

  it('cuts it at the deadline', async () => {
    await using node = await startNode();
    const { socket, received } = await startDownload(node);

    await node.listener.close({ deadlineMs: 50 });
    socket.resume();

    assert.ok((await received) < SIZE);
  });
});

/** A client that has the first bytes and reads no more; `received` are its bytes when the connection is over. */
async function startDownload(node: Awaited<ReturnType<typeof startNode>>) {
  const digest = await pushBlob(node, 'local/app', Buffer.alloc(SIZE, 'x'));
  const socket = connect({ host: node.host, port: node.port });
  socket.on('error', () => {});
  const received = once(socket, 'close').then(() => socket.bytesRead);
  socket.write(`GET /v2/local/app/blobs/${digest} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'readable');
  socket.on('data', () => {}).pause();
  return { socket, received };
}
