import type { IncomingMessage } from 'node:http';
import { requestFinished } from '../../telemetry/channels.ts';
import type { Context, Middleware } from '../context.ts';
import type { Origin } from '../origin.ts';
import { pathIn } from '../path-in.ts';

/** What nginx logs for a client that left before there was a status. */
const CLIENT_CLOSED_REQUEST = 499;

/** Finds out where a request comes from, and tells once what became of it. */
export function requestFacts(originOf: (request: IncomingMessage) => Origin): Middleware {
  return (ctx, next) => {
    ctx.state.origin = originOf(ctx.req);
    if (requestFinished.hasSubscribers) publishAtEnd(ctx);
    return next();
  };
}

function publishAtEnd(ctx: Context): void {
  const { req, res, state } = ctx;
  const path = pathIn(req);
  const startedAt = performance.now();
  const writtenBefore = req.socket.bytesWritten;
  res.once('close', () => {
    const isAborted = !res.writableFinished;
    const isAnswered = res.headersSent;
    requestFinished.publish({
      id: state.id,
      method: ctx.method,
      path,
      route: state.route ?? 'other',
      status: isAnswered ? res.statusCode : CLIENT_CLOSED_REQUEST,
      code: state.code,
      sentBytes: sentBytes(ctx, isAborted, writtenBefore),
      durationMs: performance.now() - startedAt,
      // Nobody, where authentication itself failed.
      caller:
        state.caller === undefined || state.caller.isAnonymous ? undefined : state.caller.name,
      clientAddress: state.origin.address,
      userAgent: req.headers['user-agent'],
      ...(isAborted ? { aborted: true } : {}),
    });
  });
}

/** Of a broken answer the head counts too: only the socket knows how far it came. */
function sentBytes(
  { method, req, res }: Context,
  isAborted: boolean,
  writtenBefore: number,
): number {
  if (method === 'HEAD') return 0;
  const whole = Number(res.getHeader('Content-Length') ?? 0);
  if (!isAborted) return whole;
  return Math.min(whole, Math.max(0, req.socket.bytesWritten - writtenBefore));
}
