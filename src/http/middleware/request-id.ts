import { randomUUID } from 'node:crypto';
import type { Middleware } from '../context.ts';

/** Names every request, for the log and for whoever reports that it went wrong. */
export function requestId(): Middleware {
  return (ctx, next) => {
    const id = randomUUID();
    ctx.state.id = id;
    ctx.res.setHeader('X-Request-Id', id);
    return next();
  };
}
