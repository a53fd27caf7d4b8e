/**
 * Outbound HTTP, set up once. A request is tried, and tried again where that may help; each attempt follows redirects;
 * each hop passes its host's circuit. Bytes come as they were sent: nothing is decompressed.
 */
import type { IncomingMessage } from 'node:http';
import { finished, type Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import got, { type Got } from 'got';
import {
  upstreamAnswered,
  upstreamBytes,
  upstreamFailed,
  upstreamSent,
} from '../telemetry/channels.ts';
import { assertPublicLiteral, lookupPublic } from './address-guard.ts';
import { Agents } from './agents.ts';
import { discard, wordsOf } from './body.ts';
import { attemptFailed, Breakers } from './breaker.ts';
import { UpstreamInvalid, UpstreamUnavailable } from './errors.ts';
import { failureOf } from './failure.ts';
import type { HttpConnection, HttpRequest, HttpResponse } from './http-connection.ts';
import type { RegistryLimits } from './limits.ts';
import { followed, type Hop, locationOf, MOST_HOPS } from './redirect.ts';
import { BodyFailed, isStreamed, lengthOf, Sending } from './request-body.ts';
import { pauseBeforeRetryMs, retryAfterIn, StatusError } from './retry.ts';
import { HostSlots } from './slots.ts';
import { watch } from './watchdog.ts';

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
      {
        control: limits.controlSlots,
        blob: limits.blobSlots,
        part: limits.partSlots,
        passed: limits.passedSlots,
        push: limits.pushSlots,
      },
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
        if (error instanceof BodyFailed) throw error.cause;
        if (isStreamed(request.body) || request.isOptional === true) throw error;
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
      const location = locationOf(request.method, response);
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
      const after = retryAfterIn(headers, this.#options.now());
      const cause = new StatusError(status, after);
      throw new UpstreamUnavailable(host, 'server-error', { cause });
    } catch (error) {
      if (request.isOptional === true) passage.abandoned();
      else attemptFailed(passage, error, request.signal);
      request.signal.throwIfAborted();
      if (upstreamFailed.hasSubscribers && !(error instanceof BodyFailed)) {
        const durationMs = performance.now() - startedAt;
        const reason = error instanceof UpstreamUnavailable ? error.reason : 'invalid';
        upstreamFailed.publish({ endpoint, host, reason, durationMs, error });
      }
      throw error;
    }
  }

  /** One request and the head of its answer. */
  async #exchange(dial: Dial, hop: Hop, request: HttpRequest): Promise<HttpResponse> {
    const { signal, body } = request;
    const { url } = hop;
    signal.throwIfAborted();
    const sending = isStreamed(body) ? new Sending(body) : undefined;
    const outgoing = await sending?.open();
    // Why it was ended, where that was our doing: then the connection's own error says nothing.
    let verdict: Error | undefined;
    const stream = this.#stream(
      dial,
      hop,
      request,
      (error) => verdict ?? failureOf(error, url.host),
    );
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
    const fail = (error: Error): void => reject(verdict ?? failureOf(error, url.host));
    // Also for whom nobody listens to any more: an error that no one hears ends the process.
    stream.on('error', fail);
    let watching = sending && this.#watchSending(dial, url, sending, end);
    stream.once('response', (response) => {
      sending?.stop();
      watching?.[Symbol.dispose]();
      watching = this.#watch(dial, request, stream, end);
      resolve(response);
    });
    atEnd(stream, () => {
      signal.removeEventListener('abort', abort);
      watching?.[Symbol.dispose]();
      sending?.stop();
      reject(verdict ?? new UpstreamUnavailable(url.host, 'unreachable'));
    });
    if (signal.aborted) abort();
    else if (sending === undefined || outgoing === undefined) endWith(stream, request);
    else sending.send(outgoing, stream).catch((e) => (e instanceof BodyFailed ? end(e) : fail(e)));
    const { statusCode: status = 0, headers } = await answered;
    return {
      status,
      headers,
      url,
      content: sending === undefined ? stream : await wordsOf(stream),
    };
  }

  #stream(
    dial: Dial,
    { url, headers }: Hop,
    { method, body, lane }: HttpRequest,
    errorFor: (error: Error) => Error,
  ): ReturnType<Got['stream']> {
    const length = lengthOf(method, body);
    const { firstByteMs, commitMs } = this.#options.limits;
    return this.#got.stream(url, {
      method,
      headers: { ...headers, ...(length === undefined ? {} : { 'content-length': `${length}` }) },
      agent: url.protocol === 'https:' ? { https: dial.agents.https } : { http: dial.agents.http },
      ...(dial.allowPrivateAddress ? {} : { dnsLookup: lookupPublic }),
      timeout: { response: lane === 'push' ? commitMs : firstByteMs },
      hooks: { beforeError: [errorFor] },
    });
  }

  /** Until the answer begins. */
  #watchSending(
    { endpoint }: Dial,
    { host }: URL,
    sending: Sending,
    end: (why: Error) => void,
  ): Disposable {
    const departure = {
      transferred: () => sending.sentBytes,
      isWaitingForReader: () => sending.isWaitingForContent,
    };
    return watch(departure, {
      silenceMs: this.#options.limits.silenceMs,
      deadlineMs: Number.POSITIVE_INFINITY,
      onBytes: (bytes) => {
        if (upstreamSent.hasSubscribers) upstreamSent.publish({ endpoint, bytes });
      },
      onTimeout: (problem) =>
        end(new UpstreamUnavailable(host, 'timeout', { cause: new Error(problem) })),
    });
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

function assertPublic(url: URL): void {
  try {
    assertPublicLiteral(url);
  } catch (cause) {
    throw new UpstreamUnavailable(url.host, 'unreachable', { cause });
  }
}

/** Ends a request that may have a body. */
function endWith(stream: ReturnType<Got['stream']>, { method, body }: HttpRequest): void {
  if (method === 'GET' || method === 'HEAD') return;
  stream.end(body instanceof Uint8Array ? body : undefined);
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason });
}
