import { once } from 'node:events';
import { connect } from 'node:net';
import { requestFinished } from '../../../src/telemetry/channels.ts';
import { basic } from '../../http/support/client.ts';
import { ADMIN, type FuzzNode } from './node.ts';

const DEADLINE_MS = 10_000;

/** A request that announces more than it sends. */
export interface HalfRequest {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sent: Buffer;
  /** Bytes that are announced and do not come; undefined: chunked, and the last chunk does not come. */
  readonly missing: number | undefined;
}

/** Sends the half that there is; disposing closes the connection. */
export async function sendHalf(node: FuzzNode, request: HalfRequest): Promise<Disposable> {
  const socket = connect({ host: node.host, port: node.port });
  // Whoever reads nothing never hears of the other side's end.
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.write(bytesOf(node, request), () => resolve());
  await promise;
  return { [Symbol.dispose]: () => socket.destroy() };
}

/** Sends the half that there is and goes away; resolves once the node knows. */
export async function breakOff(node: FuzzNode, request: HalfRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const path = request.path.split('?', 1)[0];
  using _ = requestFinished.subscribe((fact) => {
    if (fact.aborted === true && fact.path === path) resolve();
  });
  const half = await sendHalf(node, request);
  half[Symbol.dispose]();
  const late = new Error(`the node did not notice that ${path} was broken off`);
  const timer = setTimeout(() => reject(late), DEADLINE_MS);
  await promise;
  clearTimeout(timer);
}

function bytesOf({ host }: FuzzNode, request: HalfRequest): Buffer {
  const { method, path, headers = {}, sent, missing } = request;
  const isChunked = missing === undefined;
  const length = isChunked
    ? { 'Transfer-Encoding': 'chunked' }
    : { 'Content-Length': String(sent.length + missing) };
  const all = { Host: host, Authorization: basic(ADMIN), ...length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const isNothing = !isChunked || sent.length === 0;
  const size = Buffer.from(isNothing ? '' : `${sent.length.toString(16)}\r\n`);
  return Buffer.concat([head, size, sent]);
}
