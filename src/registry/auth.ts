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
  readonly credential: Credential | undefined;
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

/** One endpoint's way in, with its credential or as nobody. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #flights = new SingleFlight<string>();
  /** The last challenge; registries have one for all their repositories. */
  #known: Challenge | undefined;
  /** What the registry calls the scopes that it knows by another name. */
  readonly #renamed = new LRUCache<string, string>({ max: MOST_RENAMED });

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** What to send before being asked; undefined while nothing is known. */
  async bring(scope: string, { signal, abandoned }: CallOptions): Promise<Grant | undefined> {
    if (this.#known === undefined) return undefined;
    const wanted = this.#renamed.get(scope) ?? scope;
    return this.#grant(this.#known, wanted, { signal, abandoned, refused: undefined });
  }

  /**
   * What to send after a 401. `challenges` are its header, `refused` is what was sent in vain, `cause` is what it
   * said besides.
   *
   * @throws UpstreamDenied when there is nothing better to send
   */
  async answer(
    challenges: string,
    scope: string,
    options: CallOptions & { refused: Grant | undefined; cause: Error | undefined },
  ): Promise<Grant> {
    const { refused, cause } = options;
    const challenge = this.#choose(parseChallenges(challenges));
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
    if (challenge.scheme === 'basic') return this.#basic(scope);
    const url = this.#tokenUrl(challenge, scope);
    const key = this.#keyOf(url);
    const cached = await this.#options.tokens.get(key);
    if (cached !== undefined) {
      const authorization = `Bearer ${cached.token}`;
      if (authorization !== refused?.authorization) return { authorization, scope, isFresh: false };
      await this.#options.tokens.delete(key);
    }
    const fetch = (work: { readonly abandoned: AbortSignal }) => this.#fetch(url, key, work);
    const token = await this.#flights.run(key, fetch, options);
    return { authorization: `Bearer ${token}`, scope, isFresh: true };
  }

  #basic(scope: string): Grant {
    const authorization = this.#login();
    if (authorization === undefined)
      throw this.#denied(new Error('it wants a login, and none is configured'));
    return { authorization, scope, isFresh: true };
  }

  #tokenUrl({ parameters }: Challenge, scope: string): URL {
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
    const account = this.#options.credential?.username;
    if (account !== undefined) url.searchParams.set('account', account);
    return url;
  }

  async #fetch(
    url: URL,
    key: string,
    { abandoned }: { readonly abandoned: AbortSignal },
  ): Promise<string> {
    const authorization = this.#login();
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

  #login(): string | undefined {
    const { credential } = this.#options;
    if (credential === undefined) return undefined;
    const login = Buffer.from(`${credential.username}:${credential.password}`);
    return `Basic ${login.toString('base64')}`;
  }

  /** By endpoint, credential and scope; of the credential only some bits of a hash, enough to notice another one. */
  #keyOf(url: URL): string {
    const { endpoint } = this.#options;
    const who = createHash('sha256')
      .update(`${endpoint}\n${this.#login() ?? ''}`)
      .digest('hex')
      .slice(0, 8);
    return `${endpoint} ${who} ${url.href}`;
  }

  #denied(cause: unknown): UpstreamDenied {
    return new UpstreamDenied(this.#options.url.host, 401, { cause });
  }
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
