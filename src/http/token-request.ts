import type { Context } from './context.ts';
import { oneOf, readForm } from './form.ts';
import { RequestError } from './request-error.ts';

/** What a client asks the token service for, whichever way it asks. */
export interface TokenRequest {
  /** What the token is for; undefined: this node. */
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** As it calls itself. */
  readonly client: string;
  readonly wantsRefreshToken: boolean;
}

/** Who asks, in a form. */
export type Credential =
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  | { readonly kind: 'refresh-token'; readonly token: string };

/** Docker Registry v2 token authentication, "Requesting a Token". @throws RequestError 400 */
export function requestInQuery({ querystring }: Context): TokenRequest {
  const parameters = new URLSearchParams(querystring);
  return {
    ...requestOf(parameters),
    wantsRefreshToken: oneOf(parameters, 'offline_token') === 'true',
  };
}

/**
 * Docker Registry v2 token authentication, "Oauth2 Token".
 *
 * @throws RequestError 400, 413
 */
export async function requestInForm(
  ctx: Context,
): Promise<TokenRequest & { readonly credential: Credential }> {
  const parameters = await readForm(ctx);
  return {
    ...requestOf(parameters),
    wantsRefreshToken: oneOf(parameters, 'access_type') === 'offline',
    credential: credentialOf(parameters),
  };
}

/**
 * The token to revoke (RFC 7009 section 2.1). There is one type, so that the hint says nothing.
 *
 * @throws RequestError 400, 413
 */
export async function revokedInForm(ctx: Context): Promise<string> {
  return needed(await readForm(ctx), 'token');
}

function requestOf(parameters: URLSearchParams): Omit<TokenRequest, 'wantsRefreshToken'> {
  return {
    service: oneOf(parameters, 'service'),
    scopes: parameters.getAll('scope'),
    client: oneOf(parameters, 'client_id') ?? '',
  };
}

function credentialOf(parameters: URLSearchParams): Credential {
  const grantType = oneOf(parameters, 'grant_type');
  if (grantType === 'password') {
    const name = needed(parameters, 'username');
    return { kind: 'password', name, password: needed(parameters, 'password') };
  }
  if (grantType === 'refresh_token') {
    return { kind: 'refresh-token', token: needed(parameters, 'refresh_token') };
  }
  throw refused('grant_type is neither password nor refresh_token');
}

function needed(parameters: URLSearchParams, name: string): string {
  const value = oneOf(parameters, name);
  if (value === undefined) throw refused(`${name} is missing`);
  return value;
}

function refused(message: string): RequestError {
  return new RequestError(400, 'UNSUPPORTED', { message });
}
