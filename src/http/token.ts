import { Router } from '@koa/router';
import type { Caller, Grant } from '../access/caller.ts';
import { OciError } from '../oci/error.ts';
import { REVOCATION_PATH, TOKEN_PATH } from './challenge.ts';
import type { Context, Routes, State } from './context.ts';
import { answerEmpty } from './empty-answer.ts';
import { type Access, proven } from './middleware/authentication.ts';
import { RequestError } from './request-error.ts';
import { grantsOf } from './scopes.ts';
import type { Names } from './target.ts';
import {
  type Credential,
  requestInForm,
  requestInQuery,
  revokedInForm,
  type TokenRequest,
} from './token-request.ts';

/** What these routes need of the node. */
export interface Tokens {
  issue(
    caller: Caller,
    grants: readonly Grant[],
    options: {
      /** What the token is for. */
      readonly service: string;
    },
  ): Promise<{
    readonly token: string;
    readonly expiresInSeconds: number;
    /** Milliseconds UTC. */
    readonly issuedAt: number;
  }>;
}

/** What clients keep to get tokens by, in place of a password. */
export interface RefreshTokens {
  /** @param client as it calls itself */
  issue(user: Caller, client: string): Promise<string>;
  /** @throws OciError UNAUTHORIZED */
  exchange(token: string): Promise<Caller>;
  /** One that there is not, too. */
  revoke(token: string): Promise<void>;
}

/** Who has a name and a password. */
export interface SignIn {
  /** `address` is the client's. @throws OciError UNAUTHORIZED, TOOMANYREQUESTS */
  signIn(name: string, password: string, address: string): Promise<Caller>;
}

export interface TokenPorts {
  readonly tokens: Tokens;
  readonly refreshTokens: RefreshTokens;
  readonly access: Access & SignIn;
  readonly names: Names;
}

export interface TokenOptions {
  /** What tokens for this node are for. */
  readonly service: string;
  /** Other registries that trust this node's tokens. */
  readonly services?: readonly string[];
}

/**
 * Tokens for what was asked and is allowed; nobody gets one too, for what is public. A wrong password is 401, and so is
 * a token: what it allows would grow with every exchange, and it would never end.
 */
export function tokenRoutes(ports: TokenPorts, options: TokenOptions): Routes {
  const router: Routes = new Router<State, object>();

  router.get(TOKEN_PATH, async (ctx) => {
    ctx.state.route = 'token';
    if (ctx.state.caller.grants !== undefined) {
      throw new OciError('UNAUTHORIZED', { message: 'a token is given for a password alone' });
    }
    const request = requestInQuery(ctx);
    ctx.body = await answer(ctx, request, { ports, options });
  });

  router.post(TOKEN_PATH, async (ctx) => {
    ctx.state.route = 'token';
    const { credential, ...request } = await requestInForm(ctx);
    ctx.state.caller = await callerOf(ctx, credential, ports);
    // Who has a refresh token keeps it.
    const wantsRefreshToken = request.wantsRefreshToken && credential.kind === 'password';
    ctx.body = await answer(ctx, { ...request, wantsRefreshToken }, { ports, options });
  });

  // RFC 7009 section 2.2: who names a token that is none has what they want.
  router.post(REVOCATION_PATH, async (ctx) => {
    ctx.state.route = 'token';
    if (ctx.state.origin.mirror !== undefined) {
      const message = 'a mirror gives nobody a refresh token';
      throw new RequestError(404, 'UNSUPPORTED', { message });
    }
    await ports.refreshTokens.revoke(await revokedInForm(ctx));
    answerEmpty(ctx, 200);
  });

  return router;
}

async function callerOf(
  ctx: Context,
  credential: Credential,
  { access, refreshTokens }: TokenPorts,
): Promise<Caller> {
  if (credential.kind === 'refresh-token') {
    return proven(ctx, undefined, () => refreshTokens.exchange(credential.token));
  }
  const { name, password } = credential;
  return proven(ctx, name, (address) => access.signIn(name, password, address));
}

async function answer(
  ctx: Context,
  { service: asked, scopes, client, wantsRefreshToken }: TokenRequest,
  { ports, options }: { readonly ports: TokenPorts; readonly options: TokenOptions },
): Promise<Buffer> {
  const { tokens, refreshTokens, names } = ports;
  const { service: own, services = [] } = options;
  const service = asked ?? own;
  const isForeign = service !== own;
  if (isForeign && !services.includes(service)) {
    throw new RequestError(400, 'UNSUPPORTED', { message: 'no tokens are given for that service' });
  }
  const { caller } = ctx.state;
  const grants = await grantsOf(ctx, scopes, { names, isForeign });
  const { token, expiresInSeconds, issuedAt } = await tokens.issue(caller, grants, { service });
  // A robot's secret is as random, and can be taken back as easily.
  const isUser = !caller.isAnonymous && caller.robot === undefined;
  const refreshToken =
    wantsRefreshToken && isUser ? await refreshTokens.issue(caller, client) : undefined;
  ctx.res.setHeader('Cache-Control', 'no-store');
  ctx.res.setHeader('Content-Type', 'application/json');
  return Buffer.from(
    JSON.stringify({
      token,
      access_token: token,
      scope: grants
        .map(({ type, name, actions }) => `${type}:${name}:${actions.join(',')}`)
        .join(' '),
      expires_in: expiresInSeconds,
      issued_at: new Date(issuedAt).toISOString(),
      refresh_token: refreshToken,
    }),
  );
}
