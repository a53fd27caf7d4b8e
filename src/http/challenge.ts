import { isApi } from './api/door.ts';
import type { Context } from './context.ts';

export const TOKEN_PATH = '/service/token';
export const REVOCATION_PATH = `${TOKEN_PATH}/revoke`;

export interface ChallengeOptions {
  /** How clients reach this node, where that is not the address they use. */
  readonly externalUrl?: string | undefined;
  /** `host` and `host:port` that are this node's too: a client that came by one is sent to that one. */
  readonly names?: readonly string[];
  /** What tokens are for. */
  readonly service: string;
}

/**
 * What a 401 asks for. One scheme in one header: docker runs every scheme it is offered and the last one wins, the
 * conformance program reads only the first header (docs/wire-notes.md 1). Bearer, since docker gives up on Basic when
 * it has no credential, and then could not pull what is public (seen with docker 20.10, 2026-11-21).
 */
export function createChallenge(options: ChallengeOptions): (ctx: Context) => string | undefined {
  return (ctx) => {
    const { origin, scope, caller } = ctx.state;
    // Harbor's API has none: a browser would ask for a password over the portal's own sign-in.
    if (isApi(ctx.req)) return undefined;
    // The token service itself wants a password. By path: a wrong one is refused before any route.
    if (ctx.path === TOKEN_PATH) return `Basic realm="${origin.host}"`;
    const parts = [
      `realm="${baseOf(options, origin)}${TOKEN_PATH}"`,
      `service="${options.service}"`,
      ...(scope === undefined ? [] : [`scope="${scope}"`]),
      ...(scope !== undefined && caller?.grants !== undefined
        ? ['error="insufficient_scope"']
        : []),
    ];
    return `Bearer ${parts.join(',')}`;
  };
}

/** A host that somebody made up must not lead clients with passwords to it, where we know our own names. */
function baseOf(
  { externalUrl, names = [] }: ChallengeOptions,
  { host, isSecure }: { readonly host: string; readonly isSecure: boolean },
): string {
  if (externalUrl !== undefined) {
    const external = new URL(externalUrl);
    if (host === external.host || !names.includes(host)) return external.origin;
  }
  // Without a host that makes sense, clients that understand a relative realm still find the way.
  return host === '' ? '' : `${isSecure ? 'https' : 'http'}://${host}`;
}
