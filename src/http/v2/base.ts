import { Router } from '@koa/router';
import { OciError } from '../../oci/error.ts';
import type { Routes, State } from '../context.ts';

/** `/v2/` itself. */
export function baseRoutes(): Routes {
  const router: Routes = new Router<State, object>();

  // end-1. docker, skopeo and crane learn only here that there is a sign-in, and never authenticate where this is 200.
  // So it is 401 although anonymous pulls are allowed; not on a mirror, which has no credentials of its own.
  router.get(/^\/v2\/?$/, (ctx) => {
    ctx.state.route = 'base';
    const isSilent = ctx.req.headers.authorization === undefined;
    if (isSilent && ctx.state.origin.mirror === undefined) throw new OciError('UNAUTHORIZED');
    ctx.res.setHeader('Content-Type', 'application/json');
    ctx.body = Buffer.from('{}');
  });

  // distribution-spec v1.1.1 extensions/_oci.md: there are none.
  router.get(/^\/v2\/_oci\/ext\/discover$/, (ctx) => {
    ctx.state.route = 'base';
    ctx.res.setHeader('Content-Type', 'application/json');
    ctx.body = Buffer.from('{"extensions":[]}');
  });

  return router;
}
