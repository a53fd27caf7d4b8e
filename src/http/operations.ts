import { Router } from '@koa/router';
import type { Routes, State } from './context.ts';

/** What these routes need of the node. */
export interface Operations {
  readonly metrics: {
    readonly contentType: string;
    /** In the text format of Prometheus. */
    text(): Promise<string>;
  };
  readiness(): Promise<{
    readonly isReady: boolean;
    /** By check: `ok`, or why not. */
    readonly checks: Readonly<Record<string, string>>;
  }>;
}

/** What those who run the node ask. Nothing of it is secret, so nobody has to sign in; nothing else answers here. */
export function operationRoutes(operations: Operations): Routes {
  const router: Routes = new Router<State, object>();

  // Alive: the process answers. Whoever restarts on a failure here must not do so because an upstream is away.
  router.get(/^\/healthz$/, (ctx) => {
    ctx.state.route = 'operations';
    ctx.body = 'ok\n';
  });

  router.get(/^\/readyz$/, async (ctx) => {
    ctx.state.route = 'operations';
    const { isReady, checks } = await operations.readiness();
    ctx.status = isReady ? 200 : 503;
    ctx.body = { ready: isReady, checks };
  });

  router.get(/^\/metrics$/, async (ctx) => {
    ctx.state.route = 'operations';
    const { metrics } = operations;
    const text = await metrics.text();
    ctx.status = 200;
    ctx.res.setHeader('Content-Type', metrics.contentType);
    ctx.body = text;
  });

  return router;
}
