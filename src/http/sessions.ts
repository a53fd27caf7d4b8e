import { Router } from '@koa/router';
import { ANONYMOUS, type Caller } from '../access/caller.ts';
import { OciError } from '../oci/error.ts';
import { authenticationFailed } from '../telemetry/channels.ts';
import { assertOwnPage } from './api/door.ts';
import type { Context, Routes, State } from './context.ts';
import { answerEmpty } from './empty-answer.ts';
import { oneOf, readForm } from './form.ts';
import { checkToken, giveSession, sessionIdIn, takeSession } from './session-cookie.ts';

/** What these routes need of the node. */
export interface Sessions {
  /** @returns the id of a new session. @throws OciError UNAUTHORIZED, TOOMANYREQUESTS */
  logIn(login: {
    readonly name: string;
    readonly password: string;
    /** The client's. */
    readonly address: string;
    /** The session that the client had, which ends. */
    readonly previous: string | undefined;
  }): Promise<string>;
  /** `renew` puts its end off. */
  find(id: string, options: { readonly renew: boolean }): Promise<Caller | undefined>;
  logOut(id: string, address: string): Promise<void>;
}

/** What no name of a user has, and no database need take. */
const CONTROL = /\p{Cc}/u;

/**
 * `POST /c/login` and `GET /c/log_out`, by which Harbor's portal and its users' scripts sign in and out (harbor v2.13
 * src/core/controllers/base.go).
 */
export function sessionRoutes(sessions: Sessions, options: { externalUrl?: string | undefined }) {
  const router: Routes = new Router<State, object>();

  router.post(/^\/c\/login$/, async (ctx) => {
    ctx.state.route = 'api';
    const form = await readForm(ctx);
    const name = oneOf(form, 'principal');
    const password = oneOf(form, 'password');
    if (name === undefined || password === undefined || CONTROL.test(name)) {
      throw new OciError('UNAUTHORIZED');
    }
    const { address } = ctx.state.origin;
    const previous = sessionIdIn(ctx.req);
    const id = await sessions
      .logIn({ name, password, address, previous })
      .catch((error: unknown) => {
        if (error instanceof OciError && authenticationFailed.hasSubscribers) {
          authenticationFailed.publish({ user: name, clientAddress: address });
        }
        throw error;
      });
    giveSession(ctx, id, options);
    ctx.res.setHeader('Cache-Control', 'no-store');
    answerEmpty(ctx, 200);
  });

  router.get(/^\/c\/log_out$/, async (ctx) => {
    ctx.state.route = 'api';
    // A change for all that it is a GET: another site's link signs nobody out.
    assertOwnPage(ctx, { ...options, isStrict: true });
    const id = sessionIdIn(ctx.req);
    if (id !== undefined) await sessions.logOut(id, ctx.state.origin.address);
    takeSession(ctx, options);
    ctx.res.setHeader('Cache-Control', 'no-store');
    answerEmpty(ctx, 200);
  });

  return router;
}

/**
 * Who is signed in by the request's cookie; nobody is anonymous. Below `/api` alone: a registry's clients have no cookies,
 * and what the token service gives would outlive the session. (Harbor takes it at both.)
 *
 * @throws RequestError 403 for a change that no page of ours asked for
 */
export async function callerOfSession(
  ctx: Context,
  sessions: Sessions,
  { isAgain = false }: { readonly isAgain?: boolean } = {},
): Promise<Caller> {
  const id = ctx.path.startsWith('/api/') ? sessionIdIn(ctx.req) : undefined;
  if (id === undefined) return ANONYMOUS;
  // What a page asks by itself, now and then, keeps nobody signed in.
  const renew = !isAgain && ctx.get('X-Harbor-No-Session-Renewal') === '';
  const caller = await sessions.find(id, { renew });
  if (caller === undefined) return ANONYMOUS;
  checkToken(ctx, id);
  return caller;
}
