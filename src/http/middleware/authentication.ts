import { ANONYMOUS, type Caller } from '../../access/caller.ts';
import { OciError } from '../../oci/error.ts';
import { authenticationFailed } from '../../telemetry/channels.ts';
import type { Context, Middleware } from '../context.ts';

export interface Access {
  /** @throws OciError UNAUTHORIZED */
  authenticate(authorization: string | undefined): Promise<Caller>;
}

/** Finds out who is calling. What they may do is each route's question. */
export function authentication(access: Access): Middleware {
  return async (ctx, next) => {
    ctx.state.caller = await callerOf(ctx, access);
    return next();
  };
}

function callerOf(ctx: Context, access: Access): Caller | Promise<Caller> {
  const { authorization } = ctx.req.headers;
  // What a dockerd sends to its Docker Hub mirror is its password for Docker Hub: nothing here may look at it.
  if (authorization === undefined || ctx.state.origin.mirror !== undefined) return ANONYMOUS;
  return access.authenticate(authorization).catch((error: unknown) => {
    if (error instanceof OciError && authenticationFailed.hasSubscribers) {
      const { address } = ctx.state.origin;
      authenticationFailed.publish({ user: claimedName(authorization), clientAddress: address });
    }
    throw error;
  });
}

function claimedName(authorization: string): string | undefined {
  const encoded = /^basic +(\S+)/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  return pair.includes(':') ? pair.slice(0, pair.indexOf(':')) : undefined;
}
