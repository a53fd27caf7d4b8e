import { randomUUID } from 'node:crypto';
import { isApi } from '../api/door.ts';
import type { Middleware } from '../context.ts';

/** What a client may call its request: it goes to the log and back to the client. */
const GIVEN = /^[\w.:-]{1,128}$/;

/**
 * Names every request, for the log and for whoever reports that it went wrong. Clients of the management API may have
 * named it already, as Harbor's do.
 */
export function requestId(): Middleware {
  return (ctx, next) => {
    const given = isApi(ctx.req) ? ctx.get('X-Request-Id') : '';
    const id = GIVEN.test(given) ? given : randomUUID();
    ctx.state.id = id;
    ctx.res.setHeader('X-Request-Id', id);
    return next();
  };
}
