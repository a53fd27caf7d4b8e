import { requestFailed } from '../../telemetry/channels.ts';
import type { Context, Middleware } from '../context.ts';
import { type ErrorResponse, errorResponse } from '../error-response.ts';
import { pathIn } from '../path-in.ts';
import { drain, mayFlood } from '../request-body.ts';

/** What a route may have said of the content that it then could not send. */
const ABOUT_CONTENT = [
  'Accept-Ranges',
  'Cache-Control',
  'Content-Length',
  'Content-Range',
  'Docker-Content-Digest',
  'ETag',
  'Warning',
];

/** Answers every error below it in OCI form, and reports to the log what the client must not see. */
export function ociErrors(challenge: (ctx: Context) => string | undefined): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const response = errorResponse(error);
      ctx.state.code = response.body.errors[0]?.code;
      if (response.status === 500 || response.status === 507) publishFailure(ctx, error);
      await answer(ctx, response, challenge);
    }
  };
}

async function answer(
  ctx: Context,
  { status, headers, body }: ErrorResponse,
  challenge: (ctx: Context) => string | undefined,
): Promise<void> {
  const { res } = ctx;
  if (res.headersSent || !ctx.writable) {
    // After the first byte a cut connection is the only way left to say that the body is not whole.
    ctx.respond = false;
    res.destroy();
    return;
  }
  for (const name of ABOUT_CONTENT) res.removeHeader(name);
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  const asked = status === 401 ? challenge(ctx) : undefined;
  if (asked !== undefined) res.setHeader('WWW-Authenticate', asked);
  const bytes = Buffer.from(JSON.stringify(body));
  ctx.respond = false;
  ctx.status = status;
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', ctx.method === 'HEAD' ? 0 : bytes.length);
  if (!mayFlood(ctx)) {
    res.end(ctx.method === 'HEAD' ? undefined : bytes);
    return;
  }
  res.setHeader('Connection', 'close');
  // The answer is whole now, and ending it would close the connection.
  res.write(bytes);
  await drain(ctx);
  res.end();
}

function publishFailure(ctx: Context, error: unknown): void {
  if (!requestFailed.hasSubscribers) return;
  requestFailed.publish({ id: ctx.state.id, method: ctx.method, path: pathIn(ctx.req), error });
}
