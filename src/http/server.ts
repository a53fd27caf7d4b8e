import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ListenOptions {
  /** `port` 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  /** Files in PEM; with them the listener speaks TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly app: { callback(): (request: IncomingMessage, response: ServerResponse) => unknown };
  readonly timeouts?: Partial<Timeouts> | undefined;
}

/** Milliseconds. */
export interface Timeouts {
  /** For a client to send the whole head of a request, and for its TLS handshake before that. */
  readonly headers: number;
  /** For a client that is sending a body, or being sent one, to move a byte. */
  readonly idle: number;
  /** For the next request on an open connection. */
  readonly keepAlive: number;
}

export interface Listener extends AsyncDisposable {
  /** Where it really listens. */
  readonly host: string;
  readonly port: number;
  /**
   * Stops accepting, lets running requests finish, and cuts those that have not after `deadlineMs`. Resolves once none of
   * them does anything any more. Disposing the listener is a close without mercy.
   */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

const TIMEOUTS: Timeouts = {
  headers: 10_000,
  idle: 60_000,
  // Go's clients and most proxies drop idle connections after 90 s. Whoever drops first must not be us: the other side
  // would send a request into a closing connection.
  keepAlive: 95_000,
};

// Bytes. 1,024 ranges in one header, as podman sends them, come to 25 KiB; tokens to 8 KiB.
const LARGEST_HEAD = 64 * 1024;

/** A request whose connection was cut still writes down what it had received. What takes longer than this is stuck. */
const MOST_ENDING_MS = 10_000;

/** Listens, or rejects with what the system says (EADDRINUSE, EACCES, a certificate that cannot be read). */
export async function listen(options: ListenOptions): Promise<Listener> {
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const server = await createServer(options.tls, timeouts);
  const running = new RunningRequests();
  const handle = options.app.callback();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    running.add(request, response, server);
    running.follow(handle(request, response));
  };
  server.on('request', onRequest);
  // The route decides first; `bodyOf` tells the client to go on.
  server.on('checkContinue', onRequest);
  server.on('clientError', (error, socket) => refuse(error, socket, running));
  // TLS ones too, before they are HTTP's: it does not know them until their handshake is done.
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('timeout', (socket) => {
    if (running.isOurTurn(socket)) socket.setTimeout(timeouts.idle);
    else socket.destroy();
  });
  server.listen(options.address);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const close = ({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> =>
    closeServer(server, { running, connections }, deadlineMs);
  return {
    host: address.address,
    port: address.port,
    close,
    [Symbol.asyncDispose]: () => close({ deadlineMs: 0 }),
  };
}

async function createServer(tls: ListenOptions['tls'], timeouts: Timeouts): Promise<Server> {
  const options = {
    headersTimeout: timeouts.headers,
    keepAliveTimeout: timeouts.keepAlive,
    connectionsCheckingInterval: Math.min(timeouts.headers, 5_000),
    // An upload takes as long as it takes; a client that stalls is the idle timeout's.
    requestTimeout: 0,
    maxHeaderSize: LARGEST_HEAD,
  };
  const server =
    tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({
          ...options,
          handshakeTimeout: timeouts.headers,
          cert: await readFile(tls.certFile),
          key: await readFile(tls.keyFile),
        });
  server.timeout = timeouts.idle;
  return server;
}

/** What each connection is busy with. HTTP/1.1 answers in order, so the newest request stands for all. */
class RunningRequests {
  readonly #newest = new WeakMap<object, { request: IncomingMessage; response: ServerResponse }>();
  readonly #responses = new Set<ServerResponse>();
  readonly #handling = new Set<Promise<unknown>>();
  #isClosing = false;

  add(request: IncomingMessage, response: ServerResponse, server: Server): void {
    this.#newest.set(request.socket, { request, response });
    this.#responses.add(response);
    if (this.#isClosing) response.shouldKeepAlive = false;
    response.once('close', () => {
      this.#responses.delete(response);
      if (this.#isClosing) server.closeIdleConnections();
    });
  }

  /** What a request still does after its connection was cut is not over: it may be writing. */
  follow(handling: unknown): void {
    const over = Promise.resolve(handling).finally(() => this.#handling.delete(over));
    this.#handling.add(over);
  }

  async ended(): Promise<void> {
    await Promise.allSettled(this.#handling);
  }

  /** From here on every connection ends with the answer that it is busy with. */
  startClosing(): void {
    this.#isClosing = true;
    for (const response of this.#responses) response.shouldKeepAlive = false;
  }

  /** Whether the client is waiting for us and not we for the client. */
  isOurTurn(socket: object): boolean {
    const newest = this.#newest.get(socket);
    if (newest === undefined || newest.response.writableFinished) return false;
    const { request, response } = newest;
    // A body that nobody reads just now waits for us as well: for a slow disk, or for its session's turn.
    const isReading = !request.complete && request.readableFlowing === true;
    return !isReading && response.writableLength === 0;
  }

  /** Whether part of an answer is out already, which an error page would become part of. */
  isAnswering(socket: object): boolean {
    const response = this.#newest.get(socket)?.response;
    return response !== undefined && response.headersSent && !response.writableFinished;
  }
}

/** Answers what is no request, as far as there is somebody to answer. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex, running: RunningRequests): void {
  if (!socket.writable || DEAF.has(error.code) || running.isAnswering(socket)) {
    socket.destroy();
    return;
  }
  const [status, message] = REFUSALS[error.code ?? ''] ?? [
    '400 Bad Request',
    'this is no HTTP/1.1',
  ];
  const body = JSON.stringify({ errors: [{ code: 'UNSUPPORTED', message }] });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
      `Connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

/** Nobody is there, or nobody who could read: before the end of a handshake an answer would wait for that. */
const DEAF: ReadonlySet<string | undefined> = new Set(['ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT']);

const REFUSALS: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    `the head of the request is larger than ${LARGEST_HEAD} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the head of the request took too long'],
};

async function closeServer(
  server: Server,
  {
    running,
    connections,
  }: { readonly running: RunningRequests; readonly connections: ReadonlySet<Socket> },
  deadlineMs: number,
): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  running.startClosing();
  server.close();
  const deadline = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of connections) socket.destroy();
  }, deadlineMs);
  await closed;
  clearTimeout(deadline);
  const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
  const patience = setTimeout(giveUp, MOST_ENDING_MS);
  await Promise.race([running.ended(), late]);
  clearTimeout(patience);
}
