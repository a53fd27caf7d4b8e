import type { Context, Middleware } from '../context.ts';
import { RequestError } from '../request-error.ts';

/** The last in the row: whoever comes here asked for a path that nothing is at, or a method that it does not take. */
export function unknownRoute(): Middleware {
  return (ctx) => {
    const allowed = methodsOf(ctx);
    if (allowed.length === 0) {
      throw new RequestError(404, 'UNSUPPORTED', { message: 'there is nothing at this path' });
    }
    throw new RequestError(405, 'UNSUPPORTED', {
      message: `this path takes ${allowed.join(', ')}`,
      headers: { Allow: allowed.join(', ') },
    });
  };
}

/** The routers leave every route whose path matched in `ctx.matched`, one after the other (@koa/router 15). */
function methodsOf({ matched = [] }: Context): readonly string[] {
  return [...new Set(matched.flatMap(({ methods }) => methods))].toSorted();
}
