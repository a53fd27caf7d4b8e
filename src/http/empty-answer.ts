import type { Context } from './context.ts';

/** Ends the answer without a body, where koa would write the name of the status. */
export function answerEmpty(ctx: Context, status: number): void {
  ctx.respond = false;
  ctx.status = status;
  ctx.res.setHeader('Content-Length', 0);
  ctx.res.end();
}
