import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface CuttingProxy extends AsyncDisposable {
  readonly url: URL;
  /** The next connection that brings more than so many bytes is reset there. */
  cutAfter(bytes: number): void;
  /** What clients sent, cut ones included. */
  readonly sentBytes: number;
}

/** A way to `target` that breaks when it is told to. */
export async function startCuttingProxy(target: URL): Promise<CuttingProxy> {
  let most = Number.POSITIVE_INFINITY;
  let sentBytes = 0;
  const server = createServer((client) => {
    const there = connect(Number(target.port), target.hostname);
    let passed = 0;
    client.on('data', (piece: Buffer) => {
      const left = Math.max(0, most - passed);
      passed += piece.length;
      sentBytes += Math.min(piece.length, left);
      if (piece.length <= left) {
        if (!there.write(piece)) {
          client.pause();
          there.once('drain', () => client.resume());
        }
        return;
      }
      most = Number.POSITIVE_INFINITY;
      // What came so far is the registry's; then both ends lose each other.
      there.write(piece.subarray(0, left), () => there.destroy());
      client.resetAndDestroy();
    });
    there.pipe(client);
    client.on('close', () => there.destroy());
    for (const socket of [client, there]) socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return {
    url: new URL(`http://127.0.0.1:${address.port}/`),
    cutAfter(bytes) {
      most = bytes;
    },
    get sentBytes() {
      return sentBytes;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
