import type { IncomingHttpHeaders } from 'node:http';
import type { Cache } from '../cache/cache.ts';
import { ApiIdentity } from './api-identity.ts';
import { Authorizer, CachedToken, type FetchToken, type Grant, type Identity } from './auth.ts';
import { BodyTooLarge, discard, readWhole } from './body.ts';
import { Budget } from './budget.ts';
import type { Credential, Endpoint } from './endpoint.ts';
import { errorIn, MOST_ERROR_BYTES } from './error-answer.ts';
import { UpstreamDenied, UpstreamInvalid, UpstreamUnavailable } from './errors.ts';
import { HttpClient } from './http-client.ts';
import type { HttpConnection, HttpResponse, Method } from './http-connection.ts';
import { createLeftUploads, type LeftUploads, type Uploads } from './left-uploads.ts';
import { DEFAULT_LIMITS, type RegistryLimits } from './limits.ts';
import type { CallOptions } from './peer.ts';
import type { Renewable } from './renewable.ts';
import type { RequestBody } from './request-body.ts';
import { isSpent, pauseMs, retryAfterIn } from './retry.ts';
import type { Lane } from './slots.ts';
import { Throttle } from './throttle.ts';

/** An endpoint as far as every vendor's is the same, and who besides itself may give tokens for it. */
export interface RegistryAccess extends Omit<Endpoint, 'options' | 'credential'> {
  readonly credential: Credential | Renewable<Credential> | undefined;
  readonly tokenHosts?: readonly string[];
}

/** A vendor's own API, which is told who we are without asking: by this `Authorization`, or by none. */
export interface ApiAccess extends Omit<Endpoint, 'options' | 'credential'> {
  readonly authorization: Renewable<string> | undefined;
}

export interface Call extends CallOptions {
  readonly method: Method;
  /** Where it is not on the registry's own host (sessions may be), nothing is said there of who we are. */
  readonly url: URL;
  /** What the request needs, in the token specification's words, several apart by spaces: `repository:library/alpine:pull`. */
  readonly scope: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly lane: Lane;
  /** As in {@link HttpRequest.isOptional}. */
  readonly isOptional?: boolean | undefined;
  /** A streamed one is opened again where the first answer was that we have to say who we are. */
  readonly body?: RequestBody | undefined;
}

export interface WholeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from in the end. */
  readonly url: URL;
  readonly bytes: Buffer;
}

/** One registry, with everything between a question and its answer that is no business of the question's. */
export interface RegistryCalls {
  readonly limits: RegistryLimits;
  readonly now: () => number;
  /** Any answer but 401, 403, 429 and 5xx, which are the errors of `errors.ts`. Its content must be read or destroyed. */
  send(call: Call): Promise<HttpResponse>;
  /** How long to wait after so many breaks in a row: full jitter. Milliseconds. */
  pauseMs(breaks: number): number;
  /** Asks nobody. @throws PullsReserved where nothing may be got for replication */
  assertPulls(): void;
  /**
   * As `send`, and reads it. What is got for replication leaves the pulls that the endpoint reserves.
   *
   * @throws UpstreamInvalid when there is more of it, and PullsReserved
   */
  read(call: Call, mostBytes: number): Promise<WholeAnswer>;
}

/** What all endpoints share: connections, circuits, slots, tokens. Disposing cuts what is still connected. */
export interface RegistryClient extends Disposable {
  at(access: RegistryAccess): RegistryCalls;
  /** The same for another API than the registry's, with its own budget. */
  api(access: ApiAccess): RegistryCalls;
  readonly uploads: Uploads;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface RegistryClientOptions {
  /** `portolan/<version>`. */
  readonly userAgent: string;
  readonly cache: Cache;
  /** In this process alone where it is left out. */
  readonly leftUploads?: LeftUploads;
  readonly now: () => number;
  readonly limits?: Partial<RegistryLimits>;
  /** From 0 to 1, for jitter. */
  readonly random?: () => number;
}

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { userAgent, now, random = Math.random } = options;
  const http = new HttpClient({ userAgent, now, random, limits });
  const tokens = options.cache.store('upstream-tokens', CachedToken);
  const registryAt = (
    {
      name: endpoint,
      url,
      allowPrivateAddress,
      ca,
      reservedPulls = 0,
    }: Omit<ApiAccess, 'authorization'>,
    identify: RegistryOptions['identify'],
  ): RegistryCalls => {
    const connection = http.connect({ endpoint, allowPrivateAddress, ca });
    const budget = new Budget({ endpoint, host: url.host, reservedPulls, now });
    return new Registry({ endpoint, url, connection, budget, identify, limits, now, random });
  };
  return {
    now,
    uploads: { left: options.leftUploads ?? createLeftUploads(), underWay: new Set() },
    at(access) {
      const { name: endpoint, url, tokenHosts = [], credential } = access;
      const wanted = { endpoint, url, tokenHosts, credential, tokens };
      return registryAt(access, (fetchToken) => new Authorizer({ ...wanted, fetchToken }));
    },
    api: ({ authorization, ...access }) =>
      registryAt(access, () => new ApiIdentity(access.url.host, authorization)),
    [Symbol.dispose]: () => http[Symbol.dispose](),
  };
}

interface RegistryOptions {
  readonly endpoint: string;
  readonly url: URL;
  readonly connection: HttpConnection;
  readonly budget: Budget;
  readonly identify: (fetchToken: FetchToken) => Identity;
  readonly limits: RegistryLimits;
  readonly now: () => number;
  readonly random: () => number;
}

const MOST_TOKEN_BYTES = 64 * 1024;

class Registry implements RegistryCalls {
  readonly limits: RegistryLimits;
  readonly now: () => number;
  readonly #options: RegistryOptions;
  readonly #identity: Identity;
  readonly #throttle: Throttle;

  constructor(options: RegistryOptions) {
    const { limits, now } = options;
    this.limits = limits;
    this.now = now;
    this.#options = options;
    this.#throttle = new Throttle(options.url.host, now);
    this.#identity = options.identify((url, asking) => this.#fetchToken(url, asking));
  }

  async send(call: Call): Promise<HttpResponse> {
    this.#throttle.assertFree(call.lane);
    const { origin } = this.#options.url;
    const isAtHome = call.url.origin === origin;
    let grant = isAtHome ? await this.#identity.bring(call.scope, call) : undefined;
    for (;;) {
      const response = await this.#options.connection.send({
        ...call,
        headers: { ...call.headers, ...headerOf(grant) },
      });
      // Storage that a registry redirects to has its own ideas of who may come, and none of our business.
      const isOurs = isAtHome && response.url.origin === origin;
      const isKnown = response.status !== 401;
      if (isOurs && isKnown) this.#options.budget.learn(response.headers);
      if (isKnown || !isOurs) return this.#accepted(response, call.lane);
      // Read to its end: the connection serves the next request, and the words serve the log.
      const cause = await explanationOf(response);
      const challenges = () => this.#challengesOf(response, call, cause);
      const { signal, abandoned } = call;
      const options = { signal, abandoned, refused: grant, cause };
      grant = await this.#identity.answer(challenges, call.scope, options);
    }
  }

  assertPulls(): void {
    this.#options.budget.assertMore();
  }

  pauseMs(breaks: number): number {
    return pauseMs(breaks, this.limits, this.#options.random());
  }

  async read(call: Call, mostBytes: number): Promise<WholeAnswer> {
    const pull = () => this.#read(call, mostBytes);
    if (call.isReplication !== true || call.method !== 'GET') return pull();
    const look = async (signal: AbortSignal) => {
      const { status } = await this.#read({ ...call, method: 'HEAD', signal }, 0);
      return status === 200 || status === 405;
    };
    return this.#options.budget.spend({ pull, look, signal: call.signal });
  }

  async #read(call: Call, mostBytes: number): Promise<WholeAnswer> {
    const { status, headers, content, url } = await this.send(call);
    try {
      return { status, headers, url, bytes: await readWhole(content, mostBytes) };
    } catch (error) {
      call.signal.throwIfAborted();
      throw invalidIfTooLarge(error, url.host);
    }
  }

  async #accepted(response: HttpResponse, lane: Lane): Promise<HttpResponse> {
    const { status, headers, url, content } = response;
    if (status === 429 || (status === 403 && isSpent(headers))) {
      discard(content);
      const after = retryAfterIn(headers, this.now());
      throw this.#throttle.block(lane, after, this.limits.throttledMs);
    }
    if (status !== 401 && status !== 403) return response;
    throw new UpstreamDenied(url.host, status, { cause: await explanationOf(response) });
  }

  /** The 401's own, else those of `/v2/`: some hosts send a bare 401 (gcr.io, docs/wire-notes.md 2). */
  async #challengesOf(
    response: HttpResponse,
    call: Call,
    cause: Error | undefined,
  ): Promise<string> {
    const own = response.headers['www-authenticate'];
    if (own !== undefined) return own;
    const ping = await this.#options.connection.send({
      method: 'GET',
      url: new URL('v2/', this.#options.url),
      headers: {},
      lane: 'control',
      signal: call.signal,
      abandoned: call.abandoned,
    });
    discard(ping.content);
    const general = ping.headers['www-authenticate'];
    if (ping.status === 401 && general !== undefined) return general;
    throw new UpstreamDenied(response.url.host, 401, { cause });
  }

  async #fetchToken(url: URL, options: Parameters<FetchToken>[1]): Promise<Buffer> {
    const { firstByteMs, controlMs } = this.limits;
    // Its own, and not that of whoever came first: others may wait for it.
    const signal = AbortSignal.timeout(firstByteMs + controlMs);
    try {
      return await this.#readToken(url, { ...options, signal });
    } catch (error) {
      const { host } = this.#options.url;
      if (!signal.aborted) throw invalidIfTooLarge(error, host);
      throw new UpstreamUnavailable(host, 'timeout', { cause: error });
    }
  }

  async #readToken(
    url: URL,
    { authorization, ...options }: Parameters<FetchToken>[1] & CallOptions,
  ): Promise<Buffer> {
    const response = await this.#options.connection.send({
      method: 'GET',
      url,
      headers: authorization === undefined ? {} : { authorization },
      lane: 'control',
      ...options,
    });
    // It speaks for the registry, whatever its host is called.
    await this.#accepted({ ...response, url: this.#options.url }, 'control');
    if (response.status === 200) return readWhole(response.content, MOST_TOKEN_BYTES);
    discard(response.content);
    throw new UpstreamInvalid(url.host, `its token service answered ${response.status}`);
  }
}

function invalidIfTooLarge(error: unknown, host: string): unknown {
  if (!(error instanceof BodyTooLarge)) return error;
  return new UpstreamInvalid(host, error.message, { cause: error });
}

function headerOf(grant: Grant | undefined): { authorization?: string } {
  return grant === undefined ? {} : { authorization: grant.authorization };
}

/** The registry's own words, for the log; undefined where it has none. */
async function explanationOf({ content }: HttpResponse): Promise<Error | undefined> {
  try {
    const said = errorIn(await readWhole(content, MOST_ERROR_BYTES));
    return said && new Error([said.code, said.words].filter(Boolean).join(': '));
  } catch {
    // It said nothing that can be read; the status says enough.
    return undefined;
  }
}
