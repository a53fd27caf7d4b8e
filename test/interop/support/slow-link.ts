import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';

export interface SlowLink extends AsyncDisposable {
  readonly url: string;
  readonly host: string;
  /** Bytes of blobs that went through in either direction, by digest. */
  readonly blobBytes: ReadonlyMap<string, number>;
  /** Bytes of all those, and how many requests of any kind. */
  readonly totals: { bytes: number; requests: number };
}

const DIGEST = /sha256:[0-9a-f]{64}/;

/** Stands between this machine and the server at `url`, as slow as it is told, and counts what goes through. */
export async function startSlowLink(
  url: string,
  { bytesPerSecond = Number.POSITIVE_INFINITY }: { readonly bytesPerSecond?: number } = {},
): Promise<SlowLink> {
  const blobBytes = new Map<string, number>();
  const totals = { bytes: 0, requests: 0 };
  const line = lineOf(bytesPerSecond);
  const server = createServer((incoming, outgoing) => {
    totals.requests += 1;
    const [digest] = DIGEST.exec(decodeURIComponent(incoming.url ?? '')) ?? [];
    const passing = () => {
      const isBlob = digest !== undefined && /\/blobs\//.test(incoming.url ?? '');
      return paced(line, (bytes) => {
        if (!isBlob) return;
        totals.bytes += bytes;
        blobBytes.set(digest, (blobBytes.get(digest) ?? 0) + bytes);
      });
    };
    handOn(incoming, outgoing, { url, passing }).catch(() => outgoing.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const host = `127.0.0.1:${address.port}`;
  return {
    url: `http://${host}`,
    host,
    blobBytes,
    totals,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function handOn(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { url, passing }: { readonly url: string; readonly passing: () => ReturnType<typeof paced> },
): Promise<void> {
  const target = new URL(incoming.url ?? '', url);
  const { method, headers } = incoming;
  const onward = request(target, { method, headers });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  const answered = once(onward, 'response');
  answered.catch(() => {});
  await pipeline(incoming, passing(), onward);
  const [answer]: IncomingMessage[] = await answered;
  if (answer === undefined) return;
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, passing(), outgoing);
}

function paced(pace: (bytes: number) => Promise<void>, passed: (bytes: number) => void) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      passed(chunk.length);
      await pace(chunk.length);
      yield chunk;
    }
  };
}

/** One line for all that goes over it. */
function lineOf(bytesPerSecond: number): (bytes: number) => Promise<void> {
  let freeAt = 0;
  return async (bytes) => {
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    freeAt = Math.max(now, freeAt) + (bytes / bytesPerSecond) * 1000;
    await wait(freeAt - now);
  };
}
