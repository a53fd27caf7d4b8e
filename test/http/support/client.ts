import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** An iterable goes out chunked. */
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** Basic credentials, `name:password`. */
  readonly as?: string;
  readonly localPort?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  json(): unknown;
  /** The code of the first error. */
  readonly code: string | undefined;
}

const DEADLINE_MS = 20_000;

/** Sends exactly the path it is given, where got and fetch tidy up. */
export interface Client extends Disposable {
  send(sent: Sent): Promise<Answer>;
}

export function createClient({ host, port }: { host: string; port: number }): Client {
  const agent = new Agent({ keepAlive: true });
  return {
    async send({ method = 'GET', path, headers = {}, body, as }) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      const length = bytes instanceof Uint8Array ? { 'Content-Length': String(bytes.length) } : {};
      const login = as === undefined ? {} : { Authorization: basic(as) };
      const outgoing = request({
        host,
        port,
        method,
        path,
        agent,
        signal: AbortSignal.timeout(DEADLINE_MS),
        headers: { ...length, ...login, ...copyOf(headers) },
      });
      const answered = once(outgoing, 'response');
      const source = bytes instanceof Uint8Array ? [bytes] : (bytes ?? []);
      // A refused body breaks off; the answer is what counts.
      const sending = pipeline(Readable.from(source), outgoing).catch(() => {});
      const [response] = await answered;
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      await sending;
      return answerOf(response.statusCode, response.headers, Buffer.concat(chunks));
    },
    [Symbol.dispose]: () => agent.destroy(),
  };
}

export function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** Sends these bytes on a connection of its own; everything that comes back until the other side closes. */
export async function exchange(
  { host, port }: { host: string; port: number },
  text: string | Uint8Array,
): Promise<string> {
  const socket = connect({ host, port });
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('no end in time')));
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

function answerOf(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  const json = (): unknown => JSON.parse(body.toString('utf8'));
  return { status, headers, body, json, code: codeIn(body) };
}

function codeIn(body: Buffer): string | undefined {
  return /^\{"errors":\[\{"code":"([A-Z_]+)"/.exec(body.toString('latin1'))?.[1];
}

function copyOf(headers: Sent['headers']): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : [...value],
    ]),
  );
}
