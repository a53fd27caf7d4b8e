import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/** A request as somebody sent it, and how it was answered. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: readonly (readonly [string, string])[];
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
}

export interface Recorder extends AsyncDisposable {
  /** `127.0.0.1:<port>`, by which clients come. */
  readonly host: string;
  readonly recorded: readonly Recorded[];
}

/** Stands between clients and the server at `url`, changes nothing and remembers what they ask. */
export async function startRecorder(url: string): Promise<Recorder> {
  const recorded: Recorded[] = [];
  const server = createServer((incoming, outgoing) => {
    const recording = recordAndHandOn(incoming, outgoing, { url, recorded });
    recording.catch((error: unknown) =>
      outgoing.destroy(error instanceof Error ? error : undefined),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return {
    host: `127.0.0.1:${address.port}`,
    recorded,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function recordAndHandOn(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { url, recorded }: { url: string; recorded: Recorded[] },
): Promise<void> {
  const { method = '', headers } = incoming;
  const target = new URL(incoming.url ?? '', url);
  const body = await buffer(incoming);
  const { pathname: path, searchParams } = target;
  const { 'transfer-encoding': _chunked, ...sent } = headers;
  const onward = request(target, {
    method,
    headers: { ...sent, 'content-length': String(body.length) },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    onward.once('response', resolve).once('error', reject);
  });
  onward.end(body);
  const answer = await answered;
  const { statusCode: status = 0 } = answer;
  recorded.push({ method, path, query: [...searchParams], headers, body: body.toString(), status });
  outgoing.writeHead(status, answer.headers);
  await pipeline(answer, outgoing);
}
