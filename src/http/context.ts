import type { Router, RouterContext, RouterMiddleware } from '@koa/router';
import type { Caller } from '../access/caller.ts';
import type { RouteKind } from '../telemetry/channels.ts';
import type { Origin } from './origin.ts';

/** What the middleware in front of the routes found out about a request. */
export interface State {
  /** The client sees it as `X-Request-Id`. Unique among the requests of this process, but for those that had one. */
  id: string;
  origin: Origin;
  caller: Caller;
  /** Who that is by now, for answers that go on; keeps nobody signed in. @throws OciError UNAUTHORIZED, TOOMANYREQUESTS */
  identify: () => Promise<Caller>;
  /** Undefined until a route has taken the request. */
  route: RouteKind | undefined;
  /** What a token would have to allow, of a refused request: `repository:local/x:pull,push`. */
  scope: string | undefined;
  /** The code that the client was told, of a refused request. */
  code: string | undefined;
}

export type Context = RouterContext<State, object>;
export type Middleware = RouterMiddleware<State, object>;
/** The routes of one resource. */
export type Routes = Router<State, object>;
