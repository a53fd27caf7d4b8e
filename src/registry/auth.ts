/**
 * Being somebody at a registry (docs/wire-notes.md 1 to 3). The first request goes without a word; its 401 says what is
 * wanted, which is remembered, so that later requests bring it along.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { CacheStore } from '../cache/cache.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credential } from './endpoint.ts';
import { UpstreamDenied, UpstreamInvalid } from './errors.ts';
import type { CallOptions } from './peer.ts';
import { type RealmRules, trustedRealm } from './realm.ts';
import { constant, type Given, type Renewable } from './renewable.ts';
import { SingleFlight } from './single-flight.ts';

/** What a request says of itself. */
export interface Grant {
  readonly authorization: string;
  /** A registry that refuses this one refuses us: it was made for this very request. */
  readonly isFresh: boolean;
  readonly scope: string;
}

/** An upstream's token, as it is cached. */
export const CachedToken = z.object({ token: z.string() });
export type CachedToken = z.infer<typeof CachedToken>;

/** Asks a token service; `authorization` goes there and nowhere else. Rejects for anything but 200. */
export type FetchToken = (
  url: URL,
  options: {
    readonly authorization: string | undefined;
    /** As in {@link CallOptions}, of all who wait for the token. */
    readonly abandoned: AbortSignal;
  },
) => Promise<Buffer>;

export interface AuthorizerOptions extends RealmRules {
  readonly endpoint: string;
  readonly credential: Credential | Renewable<Credential> | undefined;
  readonly tokens: CacheStore<CachedToken>;
  readonly fetchToken: FetchToken;
}

const TokenAnswer = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  // 0 is what a service in Go says that does not say.
  expires_in: z.coerce.number().positive().optional().catch(undefined),
});

// distribution's token specification: what does not say how long it lives lives 60 seconds.
const DEFAULT_LIFETIME_SECONDS = 60;
/** As BuildKit: the last tenth of its life is left to clocks and slow requests. */
const USABLE_SHARE = 0.9;
const MOST_RENAMED = 1000;

/** How the requests to one endpoint say who we are. */
export interface Identity {
  /** What to send before being asked; undefined while nothing is known. */
  bring(scope: string, options: CallOptions): Promise<Grant | undefined>;
  /**
   * What to send after a 401. `challenges` gives its header, or that of `/v2/`; `refused` is what was sent in vain,
   * `cause` is what it said besides.
   *
   * @throws UpstreamDenied when there is nothing better to send
   */
  answer(
    challenges: () => Promise<string>,
    scope: string,
    options: CallOptions & { refused: Grant | undefined; cause: Error | undefined },
  ): Promise<Grant>;
}

/** One endpoint's way in, with its credential or as nobody. */
export class Authorizer implements Identity {
  readonly #options: AuthorizerOptions;
  readonly #credential: Renewable<Credential> | undefined;
  readonly #flights = new SingleFlight<string>();
  /** The last challenge; registries have one for all their repositories. */
  #known: Challenge | undefined;
  /** What the registry calls the scopes that it knows by another name. */
  readonly #renamed = new LRUCache<string, string>({ max: MOST_RENAMED });

  constructor(options: AuthorizerOptions) {
    const { credential } = options;
    this.#options = options;
    this.#credential =
      credential === undefined || 'get' in credential ? credential : constant(credential);
  }

  async bring(scope: string, { signal, abandoned }: CallOptions): Promise<Grant | undefined> {
    if (this.#known === undefined) return undefined;
    const wanted = this.#renamed.get(scope) ?? scope;
    return this.#grant(this.#known, wanted, { signal, abandoned, refused: undefined });
  }

  async answer(
    challenges: () => Promise<string>,
    scope: string,
    options: CallOptions & { refused: Grant | undefined; cause: Error | undefined },
  ): Promise<Grant> {
    const { refused, cause } = options;
    const challenge = this.#choose(parseChallenges(await challenges()));
    this.#known = challenge;
    const sent = refused?.scope ?? scope;
    if (refused?.isFresh !== true) return this.#grant(challenge, sent, options);
    const asked = challenge.parameters.get('scope');
    const isMisnamed =
      challenge.parameters.get('error') === 'insufficient_scope' &&
      asked !== undefined &&
      asked !== sent;
    // Once: a registry that is never content would be asked for ever.
    if (!isMisnamed || sent !== scope) {
      this.#renamed.delete(scope);
      throw this.#denied(cause);
    }
    this.#renamed.set(scope, asked);
    return this.#grant(challenge, asked, options);
  }

  #choose(challenges: readonly Challenge[]): Challenge {
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const basic = challenges.find(({ scheme }) => scheme === 'basic');
    const chosen = bearer ?? basic;
    if (chosen === undefined)
      throw this.#denied(new Error('it asks for nothing that this node can give'));
    return chosen;
  }

  async #grant(
    challenge: Challenge,
    scope: string,
    { refused, ...options }: CallOptions & { refused: Grant | undefined },
  ): Promise<Grant> {
    if (challenge.scheme === 'basic') return this.#basic(scope, { ...options, refused });
    const login = await this.#login(options);
    const url = this.#tokenUrl(challenge, scope, login);
    const key = this.#keyOf(url, login);
    const cached = await this.#options.tokens.get(key);
    if (cached !== undefined) {
      const authorization = `Bearer ${cached.token}`;
      if (authorization !== refused?.authorization) return { authorization, scope, isFresh: false };
      await this.#options.tokens.delete(key);
    }
    const fetch = (work: { readonly abandoned: AbortSignal }) =>
      this.#fetchAs(login, url, key, { ...options, ...work });
    const token = await this.#flights.run(key, fetch, options);
    return { authorization: `Bearer ${token}`, scope, isFresh: true };
  }

  async #basic(
    scope: string,
    { refused, ...options }: CallOptions & { refused: Grant | undefined },
  ): Promise<Grant> {
    const login = await this.#login(options, refused?.authorization);
    if (login === undefined)
      throw this.#denied(new Error('it wants a login, and none is configured'));
    return { authorization: login.authorization, scope, isFresh: login.isFresh };
  }

  #tokenUrl({ parameters }: Challenge, scope: string, login: Login | undefined): URL {
    let url: URL;
    try {
      url = trustedRealm(parameters.get('realm'), this.#options);
    } catch (cause) {
      throw this.#denied(cause);
    }
    const service = parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    // One parameter each: some services read no further than the first space.
    for (const one of scope.split(' ')) if (one !== '') url.searchParams.append('scope', one);
    url.searchParams.set('client_id', 'portolan');
    if (login !== undefined) url.searchParams.set('account', login.credential.username);
    return url;
  }

  /** A credential that ended meanwhile is renewed, once. */
  async #fetchAs(
    login: Login | undefined,
    url: URL,
    key: string,
    options: { readonly signal: AbortSignal; readonly abandoned: AbortSignal },
  ): Promise<string> {
    try {
      return await this.#fetch(url, key, { authorization: login?.authorization, ...options });
    } catch (error) {
      if (!(error instanceof UpstreamDenied) || login === undefined || login.isFresh) throw error;
      const renewed = await this.#login(options, login.authorization);
      return this.#fetch(url, key, { authorization: renewed?.authorization, ...options });
    }
  }

  async #fetch(
    url: URL,
    key: string,
    { authorization, abandoned }: Parameters<FetchToken>[1],
  ): Promise<string> {
    const answer = await this.#options.fetchToken(url, { authorization, abandoned });
    const { host } = this.#options.url;
    const parsed = TokenAnswer.safeParse(jsonOf(answer)).data;
    const token = parsed?.token ?? parsed?.access_token;
    // It goes into a header as it is.
    if (token == null || !/^[\x21-\x7e]+$/.test(token)) {
      throw new UpstreamInvalid(host, `its token service ${url.host} gave no token`);
    }
    const lifetime = parsed?.expires_in ?? DEFAULT_LIFETIME_SECONDS;
    await this.#options.tokens.set(key, { token }, lifetime * 1000 * USABLE_SHARE);
    return token;
  }

  /** @param refused what the registry was shown of it in vain */
  async #login(options: CallOptions, refused?: string): Promise<Login | undefined> {
    const { signal, abandoned } = options;
    const given = await this.#credential?.get({ signal, abandoned });
    if (given === undefined) return undefined;
    const login = loginOf(given);
    if (login.authorization !== refused || given.isFresh) return login;
    return loginOf(
      (await this.#credential?.get({ signal, abandoned, refused: given.secret })) ?? given,
    );
  }

  /** By endpoint, credential and scope; of the credential only some bits of a hash, enough to notice another one. */
  #keyOf(url: URL, login: Login | undefined): string {
    const { endpoint } = this.#options;
    const who = createHash('sha256')
      .update(`${endpoint}\n${login?.authorization ?? ''}`)
      .digest('hex')
      .slice(0, 8);
    return `${endpoint} ${who} ${url.href}`;
  }

  #denied(cause: unknown): UpstreamDenied {
    return new UpstreamDenied(this.#options.url.host, 401, { cause });
  }
}

interface Login {
  readonly authorization: string;
  readonly credential: Credential;
  readonly isFresh: boolean;
}

function loginOf({ secret: credential, isFresh }: Given<Credential>): Login {
  return { authorization: basicOf(credential), credential, isFresh };
}

/** RFC 7617 */
export function basicOf({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
