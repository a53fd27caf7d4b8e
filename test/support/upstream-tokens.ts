import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Answer } from './upstream-exchange.ts';

export interface TokenRules {
  /** Whose tokens are good; the registry's own token service by default. */
  readonly issuer?: TokenService;
  /** What the challenge calls the realm, where that is not the issuer's own URL. */
  readonly realm?: string;
  /** The challenge instead of the usual one. */
  readonly challenge?: string;
  /** By name; without it everybody gets tokens, credential or not. */
  readonly users?: Readonly<Record<string, string>>;
  /** With `users`: whether somebody without a credential gets a token too. */
  readonly anonymous?: boolean;
  /** As `expires_in`; undefined says nothing. */
  readonly lifetimeSeconds?: number;
  /** Which field of the answer holds the token. */
  readonly field?: 'token' | 'access_token';
}

/** `GET /token` of wire.md 3.3. A token is good for the scopes it was asked for, until `expireAll`. */
export class TokenService {
  readonly url: URL;
  rules: TokenRules = {};
  readonly #granted = new Map<string, readonly string[]>();

  constructor(url: URL) {
    this.url = url;
  }

  /** No token is good any more, whatever `expires_in` said. */
  expireAll(): void {
    this.#granted.clear();
  }

  challenge(path: string, method = 'GET'): string {
    if (this.rules.challenge !== undefined) return this.rules.challenge;
    const scope = scopesOf(path, method).join(' ') || undefined;
    const realm = this.rules.realm ?? this.url.href;
    return `Bearer realm="${realm}",service="upstream"${scope === undefined ? '' : `,scope="${scope}"`}`;
  }

  accepts(authorization: string | undefined, path: string, method = 'GET'): boolean {
    const scopes = this.#granted.get((authorization ?? '').replace(/^Bearer /, ''));
    return (
      scopes !== undefined && scopesOf(path, method).every((scope) => isGranted(scope, scopes))
    );
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    const { users, anonymous = true, lifetimeSeconds, field = 'token' } = this.rules;
    const { authorization } = request.headers;
    const isKnown =
      authorization === undefined ? users === undefined || anonymous : knows(users, authorization);
    const headers = { 'content-type': 'application/json' };
    if (!isKnown) {
      const body = Buffer.from('{"errors":[{"code":"UNAUTHORIZED"}]}');
      return { status: 401, headers, body };
    }
    const token = randomUUID();
    const asked = new URL(request.url ?? '/', this.url).searchParams.getAll('scope');
    this.#granted.set(
      token,
      asked.flatMap((scopes) => scopes.split(' ')),
    );
    const expiry = lifetimeSeconds === undefined ? {} : { expires_in: lifetimeSeconds };
    const body = Buffer.from(JSON.stringify({ [field]: token, ...expiry }));
    return { status: 200, headers, body };
  }
}

function knows(
  users: Readonly<Record<string, string>> | undefined,
  authorization: string,
): boolean {
  if (users === undefined) return true;
  const login = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString();
  return Object.entries(users).some(([name, password]) => login === `${name}:${password}`);
}

function scopesOf(path: string, method: string): readonly string[] {
  if (path.startsWith('/v2/_catalog')) return ['registry:catalog:*'];
  const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1];
  if (name === undefined) return [];
  const from = new URLSearchParams(path.split('?')[1]).get('from');
  const source = from === null ? [] : [`repository:${from}:pull`];
  return [`repository:${name}:${actionsOf(path, method)}`, ...source];
}

function actionsOf(path: string, method: string): string {
  if (method === 'GET' || method === 'HEAD') return 'pull';
  return method === 'DELETE' && !path.includes('/uploads/') ? 'delete' : 'pull,push';
}

function isGranted(scope: string, granted: readonly string[]): boolean {
  const at = scope.lastIndexOf(':');
  return granted.some(
    (one) =>
      one.slice(0, one.lastIndexOf(':')) === scope.slice(0, at) &&
      scope
        .slice(at + 1)
        .split(',')
        .every((action) =>
          one
            .slice(one.lastIndexOf(':') + 1)
            .split(',')
            .includes(action),
        ),
  );
}
