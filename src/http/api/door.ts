import type { IncomingMessage } from 'node:http';
import type { Middleware } from '../context.ts';
import { RequestError } from '../request-error.ts';
import { refusal } from './refusal.ts';

/** Whether the request is for the management API. By the URL itself: what is none has no path to ask for. */
export function isApi({ url = '' }: IncomingMessage): boolean {
  return url.startsWith('/api/');
}

/**
 * In front of everything that answers below `/api`: what is refused there is refused in Harbor's words, and what a
 * registry's token allows is nothing here.
 */
export function apiDoor(): Middleware {
  return async (ctx, next) => {
    if (!isApi(ctx.req)) return next();
    try {
      // A mirror's clients do not know that there is more here than their upstream, and send that one's passwords.
      if (ctx.state.origin.mirror !== undefined) throw nothingHere();
      return await next();
    } catch (error) {
      throw refusal(error);
    }
  };
}

function nothingHere(): RequestError {
  return new RequestError(404, 'NOT_FOUND', { message: 'there is nothing at this path' });
}
