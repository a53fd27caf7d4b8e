/**
 * A registry in a test's hands: it holds what it is given, counts who asked for what, and misbehaves on demand.
 *
 *     await using upstream = await startUpstream();
 *     const image = upstream.addImage('library/alpine', '3.20', [Buffer.from('layer')]);
 *     upstream.behave({ path: /\/blobs\// , times: 1 }, { cutAfter: 1024 });
 *     …
 *     assert.equal(upstream.count({ method: 'GET', path: /\/blobs\// }), 2);
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Behaviour, Conduct, type Paced, type RequestPattern } from './upstream-behaviour.ts';
import { transmit } from './upstream-body.ts';

import { UpstreamContent } from './upstream-content.ts';
import type { Answer, SeenRequest } from './upstream-exchange.ts';
import { type TokenRules, TokenService } from './upstream-tokens.ts';
import { UpstreamUploads } from './upstream-uploads.ts';

export type { Behaviour, RequestPattern } from './upstream-behaviour.ts';
export type { AddedImage } from './upstream-content.ts';
export type { SeenRequest } from './upstream-exchange.ts';

export interface UpstreamOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Registries older than distribution-spec 1.1 have none, and referrers live under a tag. */
  readonly referrersApi?: boolean;
  /** The most tags, or referrers, of one page. */
  readonly pageSize?: number;
}

export class Upstream extends UpstreamContent implements AsyncDisposable {
  readonly url: URL;
  /** Oldest first. */
  readonly requests: SeenRequest[] = [];
  /** So far. */
  connections = 0;
  readonly tokens: TokenService;
  readonly uploads = new UpstreamUploads(this);
  readonly #server: ReturnType<typeof createServer>;
  readonly #conduct = new Conduct();
  #apis: { readonly paths: RegExp; readonly answer: ApiAnswers }[] = [];
  #mayEnter: (request: IncomingMessage, path: string) => string | undefined = () => undefined;

  constructor(server: ReturnType<typeof createServer>, options: UpstreamOptions, url: URL) {
    super({ referrersApi: options.referrersApi ?? true, pageSize: options.pageSize ?? 1000 });
    this.#server = server;
    this.url = url;
    this.tokens = new TokenService(new URL('token', url));
    server.on('connection', () => {
      this.connections += 1;
    });
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  /** `127.0.0.1:40123`. */
  get host(): string {
    return this.url.host;
  }

  /** From now on, the requests that match are answered so; the newest rule that matches decides. */
  behave(when: RequestPattern, how: Behaviour): Disposable {
    return this.#conduct.add(when, how);
  }

  /** Forgets every `behave`. */
  recover(): void {
    this.#conduct.clear();
  }

  count(pattern: RequestPattern): number {
    return this.seen(pattern).length;
  }

  seen({ method, path }: RequestPattern): SeenRequest[] {
    return this.requests.filter(
      (request) =>
        (method === undefined || method === request.method) &&
        (path === undefined || path.test(request.path)),
    );
  }

  /** Body bytes that left for requests that match. */
  sentBytes(pattern: RequestPattern): number {
    return this.seen(pattern).reduce((sum, request) => sum + request.sentBytes, 0);
  }

  /** Every `/v2/` request needs this login. */
  requireBasic(username: string, password: string): void {
    const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    this.#mayEnter = (request) =>
      request.headers.authorization === expected ? undefined : 'Basic realm="registry"';
  }

  /** Every `/v2/` request needs a token of `rules.issuer` (this registry's own `/token` by default). */
  requireToken(rules: TokenRules = {}): void {
    const issuer = rules.issuer ?? this.tokens;
    issuer.rules = rules;
    this.#mayEnter = (request, path) =>
      issuer.accepts(request.headers.authorization, path, request.method)
        ? undefined
        : issuer.challenge(path, request.method);
  }

  /** A vendor's own API at paths of the same host. */
  serveApi(paths: RegExp, answer: ApiAnswers): void {
    this.#apis.push({ paths, answer });
  }

  /** Anybody may read. */
  requireNothing(): void {
    this.#mayEnter = () => undefined;
  }

  /** Cuts every connection; the next one is accepted. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = request;
    const seen: SeenRequest = {
      method,
      path,
      headers,
      sentBytes: 0,
      receivedBytes: 0,
      status: undefined,
      isOver: false,
    };
    this.requests.push(seen);
    response.once('close', () => {
      seen.isOver = true;
    });
    response.on('error', () => {}); // A client that left; `close` follows.
    const how = this.#conduct.of(method, path);
    await how.hold;
    if (how.silent === true) return;
    if (how.reset === true) {
      request.socket.resetAndDestroy();
      return;
    }
    // One that was broken off is answered by nobody.
    const answer = await this.#answer(request, { how, seen }).catch((error) => {
      if (request.destroyed) return undefined;
      throw error;
    });
    if (answer === undefined) return;
    if (how.resetBeforeAnswer === true) {
      request.socket.resetAndDestroy();
      return;
    }
    seen.status = answer.status;
    await transmit(response, answer, how, seen);
  }

  async #answer(
    request: IncomingMessage,
    { how, seen }: { how: Paced; seen: SeenRequest },
  ): Promise<Answer> {
    const { path } = seen;
    if (how.redirectTo !== undefined) {
      const to = typeof how.redirectTo === 'function' ? how.redirectTo(path) : how.redirectTo;
      return { status: how.status ?? 307, headers: { location: String(to) }, body: NOTHING };
    }
    if (how.status !== undefined && (how.status !== 200 || how.body !== undefined)) {
      const body = Buffer.from(how.body ?? '{"errors":[{"code":"UNKNOWN"}]}');
      return { status: how.status, headers: { 'content-type': 'application/json' }, body };
    }
    const api = this.#apis.find(({ paths }) => paths.test(path));
    if (api !== undefined) {
      const { method, headers } = seen;
      const question = {
        method,
        url: new URL(path, this.url),
        headers,
        body: await bodyOf(request),
      };
      return api.answer(question) ?? json({ message: 'not found' }, 404);
    }
    if (path.startsWith('/token')) return await this.tokens.answer(request);
    const challenge = this.#mayEnter(request, path);
    if (challenge !== undefined) {
      const body = Buffer.from('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return { status: 401, headers: { 'www-authenticate': challenge }, body };
    }
    const pushed = await this.uploads.answer(request, { how, seen });
    if (pushed !== undefined) return pushed;
    const { headers } = request;
    return this.lookUp(path, how.ignoreRange === true ? undefined : headers.range);
  }
}

/** What a vendor's own API says; undefined is 404. */
export type ApiAnswers = (question: ApiQuestion) => Answer | undefined;

/** What it is asked. */
export interface ApiQuestion {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const arriving: AsyncIterable<Buffer> = request;
  for await (const piece of arriving) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** An answer of an API. */
export function json(
  value: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = Buffer.from(value === undefined ? '' : JSON.stringify(value));
  return { status, headers: { 'content-type': 'application/json', ...headers }, body };
}

const NOTHING = Buffer.alloc(0);

/** Listens on a free port of the loopback until the test's scope ends. */
export async function startUpstream(options: UpstreamOptions = {}): Promise<Upstream> {
  const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const scheme = options.tls === undefined ? 'http' : 'https';
  return new Upstream(server, options, new URL(`${scheme}://127.0.0.1:${portOf(server)}/`));
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}
