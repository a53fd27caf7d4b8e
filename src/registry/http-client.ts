/**
 * Outbound HTTP, set up once. A request is tried, and tried again where that may help; each attempt follows redirects;
 * each hop passes its host's circuit. Bytes come as they were sent: nothing is decompressed.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { finished, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import got, { type Got } from 'got';
import { upstreamAnswered, upstreamBytes, upstreamFailed } from '../telemetry/channels.ts';
import { AddressRefused, assertPublicLiteral, lookupPublic } from './address-guard.ts';
import { Agents } from './agents.ts';
import { discard } from './body.ts';
import { Breakers, type Passage } from './breaker.ts';
import { UpstreamInvalid, UpstreamUnavailable } from './errors.ts';
import { failureOf } from './failure.ts';
import type { RegistryLimits } from './limits.ts';
import type { CallOptions } from './peer.ts';
import { type Hop, locationOf, MOST_HOPS, nextHop } from './redirect.ts';
import { parseRetryAfter, pauseBeforeRetryMs, StatusError } from './retry.ts';
import { HostSlots, type Lane } from './slots.ts';
import { watch } from './watchdog.ts';

/** Aborting `signal` rejects with its reason, and ends a body that is on its way. */
export interface HttpRequest extends Hop, CallOptions {
  readonly method: 'GET' | 'HEAD';
  readonly lane: Lane;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: URL;
  /** Must be read to its end or destroyed: until then it holds a slot. Fails with the errors of `errors.ts`. */
  readonly content: Readable;
}

/** One endpoint's connections, kept alive. */
export interface HttpConnection {
  /** Resolves to any answer below 500. @throws UpstreamUnavailable, UpstreamInvalid */
  send(request: HttpRequest): Promise<HttpResponse>;
}

export interface HttpClientOptions {
  readonly userAgent: string;
  readonly limits: RegistryLimits;
  readonly now: () => number;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
}

export interface ConnectionOptions {
  /** The endpoint's name, for telemetry. */
  readonly endpoint: string;
  readonly allowPrivateAddress: boolean;
  /** Certificates (PEM) to trust besides the system's and Node's. */
  readonly ca: string | undefined;
}

/** Circuits and slots of hosts are shared by all connections. Disposing cuts what is still connected. */
export class HttpClient implements Disposable {
  readonly #options: HttpClientOptions;
  readonly #got: Got;
  readonly #breakers: Breakers;
  readonly #slots: HostSlots;
  readonly #agents = new DisposableStack();

  constructor(options: HttpClientOptions) {
    const { limits, userAgent, now } = options;
    const { breakerFailures, breakerOpenMs, connectMs, waiting } = limits;
    this.#options = options;
    this.#breakers = new Breakers({ failures: breakerFailures, openMs: breakerOpenMs }, now);
    this.#slots = new HostSlots(
      { control: limits.controlSlots, blob: limits.blobSlots, passed: limits.passedSlots },
      { waiting },
    );
    this.#got = got.extend({
      headers: { 'user-agent': userAgent, 'accept-encoding': 'identity' },
      decompress: false,
      followRedirect: false,
      throwHttpErrors: false,
      // Got's own retries know neither circuits nor slots.
      retry: { limit: 0 },
      timeout: {
        lookup: connectMs,
        connect: connectMs,
        secureConnect: connectMs,
        response: limits.firstByteMs,
      },
    });
  }

  connect(options: ConnectionOptions): HttpConnection {
    const agents = this.#agents.use(new Agents(options.ca));
    return { send: (request) => this.#send({ ...options, agents }, request) };
  }

  [Symbol.dispose](): void {
    this.#agents.dispose();
  }

  async #send(dial: Dial, request: HttpRequest): Promise<HttpResponse> {
    const { limits, random } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(dial, request);
      } catch (error) {
        request.signal.throwIfAborted();
        const pauseMs = pauseBeforeRetryMs(error, attempt, limits, random());
        if (pauseMs === undefined) throw error;
        await delay(pauseMs, undefined, { signal: request.signal }).catch(() => {
          request.signal.throwIfAborted();
        });
      }
    }
  }

  /** Holds a slot of the host that was asked, wherever it sends us: what it redirects to counts for nobody else. */
  async #attempt(dial: Dial, request: HttpRequest): Promise<HttpResponse> {
    const slot = await this.#slots.acquire(request.url.host, request.lane, request);
    try {
      const response = await this.#follow(dial, request);
      atEnd(response.content, () => slot[Symbol.dispose]());
      return response;
    } catch (error) {
      slot[Symbol.dispose]();
      throw error;
    }
  }

  async #follow(dial: Dial, request: HttpRequest): Promise<HttpResponse> {
    let hop: Hop = request;
    for (let hops = 0; hops <= MOST_HOPS; hops++) {
      const response = await this.#hop(dial, hop, request);
      const location = locationOf(response.status, response.headers.location);
      if (location === undefined) return response;
      discard(response.content);
      hop = followed(hop, location);
    }
    throw new UpstreamInvalid(request.url.host, `more than ${MOST_HOPS} redirects`);
  }

  async #hop(dial: Dial, hop: Hop, request: HttpRequest): Promise<HttpResponse> {
    const { host } = hop.url;
    if (!dial.allowPrivateAddress) assertPublic(hop.url);
    const passage = this.#breakers.enter(hop.url);
    const { endpoint } = dial;
    const startedAt = performance.now();
    try {
      const response = await this.#exchange(dial, hop, request);
      const { status, headers, content } = response;
      if (upstreamAnswered.hasSubscribers) {
        const durationMs = performance.now() - startedAt;
        upstreamAnswered.publish({ endpoint, host, method: request.method, status, durationMs });
      }
      if (status < 500 && status !== 408) {
        passage.succeeded();
        return response;
      }
      content.destroy();
      const after = parseRetryAfter(headers['retry-after'], this.#options.now());
      const cause = new StatusError(status, after);
      throw new UpstreamUnavailable(host, 'server-error', { cause });
    } catch (error) {
      decide(passage, error, request.signal);
      request.signal.throwIfAborted();
      if (upstreamFailed.hasSubscribers) {
        const durationMs = performance.now() - startedAt;
        const reason = error instanceof UpstreamUnavailable ? error.reason : 'invalid';
        upstreamFailed.publish({ endpoint, host, reason, durationMs, error });
      }
      throw error;
    }
  }

  /** One request and the head of its answer. */
  async #exchange(dial: Dial, { url, headers }: Hop, request: HttpRequest): Promise<HttpResponse> {
    const { signal, method } = request;
    signal.throwIfAborted();
    // Why it was ended, where that was our doing: then the connection's own error says nothing.
    let verdict: Error | undefined;
    const stream = this.#got.stream(url, {
      method,
      headers: { ...headers },
      agent: url.protocol === 'https:' ? { https: dial.agents.https } : { http: dial.agents.http },
      ...(dial.allowPrivateAddress ? {} : { dnsLookup: lookupPublic }),
      hooks: { beforeError: [(error) => verdict ?? failureOf(error, url.host)] },
    });
    const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const end = (why: Error): void => {
      verdict = why;
      // From the response on, only its failing reaches the reader under our name.
      if (stream.response === undefined) stream.destroy();
      else stream.response.destroy();
      reject(why);
    };
    const abort = (): void => end(errorOf(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    // Also for whom nobody listens to any more: an error that no one hears ends the process.
    stream.on('error', reject);
    const watched = new DisposableStack();
    stream.once('response', (response) => {
      watched.use(this.#watch(dial, request, stream, end));
      resolve(response);
    });
    atEnd(stream, () => {
      signal.removeEventListener('abort', abort);
      watched.dispose();
      reject(verdict ?? new UpstreamUnavailable(url.host, 'unreachable'));
    });
    const response = await answered;
    return { status: response.statusCode ?? 0, headers: response.headers, url, content: stream };
  }

  #watch(
    { endpoint }: Dial,
    { lane, url }: HttpRequest,
    stream: ReturnType<Got['stream']>,
    end: (why: Error) => void,
  ): Disposable {
    const { silenceMs, controlMs } = this.#options.limits;
    const arrival = {
      transferred: () => stream.downloadProgress.transferred,
      // Until somebody reads, all that came lies in the response below.
      isWaitingForReader: () =>
        stream.readableLength > 0 || (stream.response?.readableLength ?? 0) > 0,
    };
    return watch(arrival, {
      silenceMs,
      deadlineMs: lane === 'control' ? controlMs : Number.POSITIVE_INFINITY,
      onBytes: (bytes) => {
        if (upstreamBytes.hasSubscribers) upstreamBytes.publish({ endpoint, bytes });
      },
      onTimeout: (problem) =>
        end(new UpstreamUnavailable(url.host, 'timeout', { cause: new Error(problem) })),
    });
  }
}

interface Dial extends ConnectionOptions {
  readonly agents: Agents;
}

function atEnd(stream: Readable, then: () => void): void {
  finished(stream, { writable: false }, then);
}

function followed(hop: Hop, location: string): Hop {
  try {
    return nextHop(hop, location);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : 'it redirects';
    throw new UpstreamInvalid(hop.url.host, problem, { cause });
  }
}

function assertPublic(url: URL): void {
  try {
    assertPublicLiteral(url);
  } catch (cause) {
    throw new UpstreamUnavailable(url.host, 'unreachable', { cause });
  }
}

/** What an attempt that failed says of its host. */
function decide(passage: Passage, error: unknown, signal: AbortSignal): void {
  // The asker's own deadline says nothing: part of it went by in a queue. What a host may take has limits of its own.
  const isTrouble =
    !signal.aborted &&
    error instanceof UpstreamUnavailable &&
    !(error.cause instanceof AddressRefused);
  if (isTrouble) passage.failed();
  else passage.abandoned();
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
