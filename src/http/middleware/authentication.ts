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
    const callerOf = async ({ isAgain }: { readonly isAgain: boolean }): Promise<Caller> => {
      if (authorization !== undefined) return identify(ctx, access, authorization);
      return cookie === undefined ? ANONYMOUS : callerOfSession(ctx, sessions, { isAgain });
    };
    ctx.state.caller = await callerOf({ isAgain: false });
    ctx.state.identify = () => callerOf({ isAgain: true });
    return next();
  };
}

function identify(ctx: Context, access: Access, authorization: string): Promise<Caller> {
  return proven(ctx, claimedName(authorization), (address) =>
    access.authenticate(authorization, address),
  );
}

/**
 * What `check` says of a credential, with the client's address; of a mirror it is not asked, and the caller is nobody.
 *
 * @param user as the client claims
 * @throws OciError UNAUTHORIZED, TOOMANYREQUESTS
 */
export async function proven(
  { state: { origin } }: Context,
  user: string | undefined,
  check: (address: string) => Promise<Caller>,
): Promise<Caller> {
  // What a dockerd sends to its Docker Hub mirror is its password for Docker Hub: nothing here may look at it.
  if (origin.mirror !== undefined) return ANONYMOUS;
  const { address } = origin;
  return check(address).catch((error: unknown) => {
    if (error instanceof OciError && authenticationFailed.hasSubscribers) {
      authenticationFailed.publish({ user, clientAddress: address });
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
