import { Router } from '@koa/router';
import { may } from '../../policies/access.ts';
import type { Caller, Grant } from '../access/caller.ts';
import { OciError } from '../oci/error.ts';
import { TOKEN_PATH } from './challenge.ts';
import type { Context, Routes, State } from './context.ts';
import { queryListOf } from './query.ts';
import { RequestError } from './request-error.ts';
import { type Action, locate, type Names, PERMISSIONS } from './target.ts';

/** What this route needs of the node. */
export interface Tokens {
  issue(
    caller: Caller,
    grants: readonly Grant[],
  ): Promise<{
    readonly token: string;
    readonly expiresInSeconds: number;
    /** Milliseconds UTC. */
    readonly issuedAt: number;
  }>;
}

/** More scopes than any client asks for at once; each costs a look-up. */
const MOST_SCOPES = 100;
const ACTIONS: readonly Action[] = ['pull', 'push', 'delete'];

interface Scope {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

/**
 * Tokens for what was asked and is allowed; nobody gets one too, for what is public. A wrong password is 401, and so is
 * a token: what it allows would grow with every exchange, and it would never end.
 *
 * Docker Registry v2 token authentication, "Requesting a Token"; without the OAuth2 form of it.
 */
export function tokenRoutes(tokens: Tokens, names: Names): Routes {
  const router: Routes = new Router<State, object>();

  router.get(TOKEN_PATH, async (ctx) => {
    ctx.state.route = 'token';
    const { caller } = ctx.state;
    if (caller.grants !== undefined) {
      throw new OciError('UNAUTHORIZED', { message: 'a token is given for a password alone' });
    }
    const grants: Grant[] = [];
    for (const scope of scopesOf(ctx)) {
      const grant = await grantOf(ctx, scope, names);
      if (grant !== undefined) grants.push(grant);
    }
    const { token, expiresInSeconds, issuedAt } = await tokens.issue(caller, grants);
    ctx.res.setHeader('Cache-Control', 'no-store');
    ctx.res.setHeader('Content-Type', 'application/json');
    ctx.body = Buffer.from(
      JSON.stringify({
        token,
        access_token: token,
        expires_in: expiresInSeconds,
        issued_at: new Date(issuedAt).toISOString(),
      }),
    );
  });

  // The OAuth2 form. Clients that prefer it go on to GET, go-containerregistry on no other status (docs/wire-notes.md 2).
  router.post(TOKEN_PATH, (ctx) => {
    ctx.state.route = 'token';
    throw new RequestError(404, 'UNSUPPORTED', { message: 'tokens are given to GET' });
  });

  return router;
}

/** Repeated, and several in one, separated by spaces. */
function scopesOf(ctx: Context): readonly Scope[] {
  const texts = queryListOf(ctx, 'scope').flatMap((value) => value.split(' '));
  if (texts.length > MOST_SCOPES) {
    throw new RequestError(400, 'UNSUPPORTED', { message: `more than ${MOST_SCOPES} scopes` });
  }
  return texts.flatMap((text) => {
    const [, type, name, actions] = /^([a-z]+)(?:\([^)]*\))?:(.+):([^:]*)$/.exec(text) ?? [];
    if (type === undefined || name === undefined || actions === undefined) return [];
    return [{ type, name, actions: actions.split(',') }];
  });
}

/** Undefined where nothing of it is allowed; why not is nobody's business. */
async function grantOf(
  ctx: Context,
  { type, name, actions }: Scope,
  names: Names,
): Promise<Grant | undefined> {
  const { caller } = ctx.state;
  if (type === 'registry') {
    // What the list shows is its route's question.
    return name === 'catalog' && !caller.isAnonymous ? { type, name, actions: ['*'] } : undefined;
  }
  if (type !== 'repository') return undefined;
  try {
    // Names that no project has are pulled from the default project, so a scope names them as a pull does.
    const { repository, project } = await locate(names, ctx, { name, method: 'GET' });
    const allowed = ACTIONS.filter(
      (action) =>
        (actions.includes(action) || actions.includes('*')) &&
        may(caller, PERMISSIONS[action], project),
    );
    return allowed.length === 0 ? undefined : { type, name: repository, actions: allowed };
  } catch (error) {
    if (error instanceof OciError) return undefined;
    throw error;
  }
}
