import type { Context } from './context.ts';
import { readBody } from './request-body.ts';
import { RequestError } from './request-error.ts';

/** Bytes. As much as a URL may have: the scopes that fit come to a token that fits a header. */
const LARGEST_FORM = 8 * 1024;

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
    wantsRefreshToken: one(parameters, 'offline_token') === 'true',
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
  const body = await readBody(ctx, LARGEST_FORM, tooLarge);
  const parameters = new URLSearchParams(body.toString('utf8'));
  return {
    ...requestOf(parameters),
    wantsRefreshToken: one(parameters, 'access_type') === 'offline',
    credential: credentialOf(parameters),
  };
}

function requestOf(parameters: URLSearchParams): Omit<TokenRequest, 'wantsRefreshToken'> {
  return {
    service: one(parameters, 'service'),
    scopes: parameters.getAll('scope'),
    client: one(parameters, 'client_id') ?? '',
  };
}

function credentialOf(parameters: URLSearchParams): Credential {
  const grantType = one(parameters, 'grant_type');
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
  const value = one(parameters, name);
  if (value === undefined) throw refused(`${name} is missing`);
  return value;
}

/** Two readers might understand two values differently. An empty one is none. */
function one(parameters: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = parameters.getAll(name);
  if (others.length > 0) throw refused(`${name} is given more than once`);
  return value === '' ? undefined : value;
}

function tooLarge(): RequestError {
  const message = `the form is longer than ${LARGEST_FORM} bytes`;
  return new RequestError(413, 'UNSUPPORTED', { message });
}

function refused(message: string): RequestError {
  return new RequestError(400, 'UNSUPPORTED', { message });
}
