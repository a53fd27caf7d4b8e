import { Router } from '@koa/router';
import type { Routes, State } from './context.ts';

/** What this route needs of the node. */
export interface KeySet {
  /** RFC 7517 section 4, public keys only. */
  published(): Promise<readonly object[]>;
}

/** For registries that trust this node's tokens. What it has is public: nobody signs in for it. */
export function keySetRoutes(keys: KeySet): Routes {
  const router: Routes = new Router<State, object>();

  router.get(/^\/\.well-known\/jwks\.json$/, async (ctx) => {
    ctx.state.route = 'token';
    const body = Buffer.from(JSON.stringify({ keys: await keys.published() }));
    ctx.res.setHeader('Content-Type', 'application/jwk-set+json');
    // Far less than the day that a key is here before it signs.
    ctx.res.setHeader('Cache-Control', 'public, max-age=300');
    ctx.body = body;
  });

  return router;
}
