import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from '../context.ts';
import { RequestError } from '../request-error.ts';
import { isSafe } from '../session-cookie.ts';
import { refusal } from './refusal.ts';

export interface DoorOptions {
  /** How clients reach this node, where that is not the address they use. */
  readonly externalUrl?: string | undefined;
}

/**
 * Whether the request is for the management API, or for signing in to it. By the URL itself: what is none has no path to
 * ask for.
 */
export function isApi({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/api/') || url.startsWith('/c/');
}

/**
 * In front of everything that answers below `/api` and `/c`: what is refused there is refused in Harbor's words, what a
 * registry's token allows is nothing here, and other sites' pages change nothing, whatever their visitor's browser sends
 * along by itself.
 */
export function apiDoor(options: DoorOptions = {}): Middleware {
  return async (ctx, next) => {
    if (!isApi(ctx.req)) return next();
    try {
      // A mirror's clients do not know that there is more here than their upstream, and send that one's passwords.
      if (ctx.state.origin.mirror !== undefined) throw nothingHere();
      if (!isSafe(ctx)) assertOwnPage(ctx, options);
      return await next();
    } catch (error) {
      throw refusal(error);
    }
  };
}

interface PageOptions extends DoorOptions {
  /** Whether a page of a neighbouring host is of another site, too: a GET says nothing else of where it comes from. */
  readonly isStrict?: boolean;
}

/**
 * What browsers say of the page that a request comes from (Fetch standard "Origin header", Fetch Metadata); programs say
 * nothing, and send nothing that their user did not tell them to.
 *
 * @throws RequestError 403
 */
export function assertOwnPage(ctx: Context, { externalUrl, isStrict = false }: PageOptions): void {
  const { origin, 'sec-fetch-site': site } = ctx.req.headers;
  const isOwn = origin === undefined || isOurs(hostOf(origin), ctx, externalUrl);
  const isNeighbour = site === 'same-site';
  if (isOwn && site !== 'cross-site' && !(isStrict && isNeighbour)) return;
  const message = 'the request comes from a page of another site';
  throw new RequestError(403, 'FORBIDDEN', { message });
}

function isOurs(host: string, ctx: Context, externalUrl: string | undefined): boolean {
  if (host === '') return false;
  return (
    host === ctx.state.origin.host || (externalUrl !== undefined && host === hostOf(externalUrl))
  );
}

/** Without the scheme, which a proxy in front may have changed; empty for what is no URL, as the Origin of some pages is. */
function hostOf(url: string): string {
  return URL.parse(url)?.host ?? '';
}

function nothingHere(): RequestError {
  return new RequestError(404, 'NOT_FOUND', { message: 'there is nothing at this path' });
}
