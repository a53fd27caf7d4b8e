import { ANONYMOUS, type Caller } from '../../access/caller.ts';
import { OciError } from '../../oci/error.ts';
import { authenticationFailed } from '../../telemetry/channels.ts';
import type { Context, Middleware } from '../context.ts';
import { callerOfSession, type Sessions } from '../sessions.ts';

export interface Access {
  /** `address` is the client's. @throws OciError UNAUTHORIZED, TOOMANYREQUESTS */
  authenticate(authorization: string | undefined, address: string): Promise<Caller>;
}

/** Finds out who is calling; what a header says goes before a cookie. What they may do is each route's question. */
export function authentication(access: Access, sessions: Sessions): Middleware {
  return async (ctx, next) => {
    const { authorization, cookie } = ctx.req.headers;
    if (authorization !== undefined) ctx.state.caller = await identify(ctx, access, authorization);
    else if (cookie !== undefined) ctx.state.caller = await callerOfSession(ctx, sessions);
    else ctx.state.caller = ANONYMOUS;
    return next();
  };
}

/**
 * Who sent this `Authorization` header, or what comes to the same.
 *
 * @throws OciError UNAUTHORIZED, TOOMANYREQUESTS
 */
export async function identify(
  ctx: Context,
  access: Access,
  authorization: string,
): Promise<Caller> {
  // What a dockerd sends to its Docker Hub mirror is its password for Docker Hub: nothing here may look at it.
  if (ctx.state.origin.mirror !== undefined) return ANONYMOUS;
  const { address } = ctx.state.origin;
  return access.authenticate(authorization, address).catch((error: unknown) => {
    if (error instanceof OciError && authenticationFailed.hasSubscribers) {
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
