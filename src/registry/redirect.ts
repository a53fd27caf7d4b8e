import { UpstreamInvalid } from './errors.ts';

// As curl and the Go clients count.
export const MOST_HOPS = 10;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface Hop {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

// After the others a request that sends something would become one that asks (RFC 9110 section 15.4).
const REDIRECTS_OF_WRITES = new Set([307, 308]);

/** Where the answer sends a request of this method, if it does. */
export function locationOf(
  method: string,
  {
    status,
    headers,
  }: { readonly status: number; readonly headers: { readonly location?: string | undefined } },
): string | undefined {
  const isRead = method === 'GET' || method === 'HEAD';
  return (isRead ? REDIRECTS : REDIRECTS_OF_WRITES).has(status) ? headers.location : undefined;
}

/**
 * The request that follows a redirect. What was meant for one origin stays there: nothing but what any client would
 * say goes to another.
 *
 * @throws Error where following would be wrong, with the reason
 */
export function nextHop({ url, headers }: Hop, location: string): Hop {
  if (!URL.canParse(location, url)) throw new Error('it redirects to something that is no URL');
  const next = new URL(location, url);
  if (next.protocol !== 'https:' && next.protocol !== 'http:') {
    throw new Error(`it redirects to a URL of scheme ${next.protocol}`);
  }
  if (url.protocol === 'https:' && next.protocol === 'http:') {
    throw new Error(`it redirects from https to http (${next.host})`);
  }
  // A login in a URL would be sent; and nobody asked us to log in there.
  next.username = '';
  next.password = '';
  next.hash = '';
  if (next.origin === url.origin) return { url: next, headers };
  const { authorization: _authorization, ...others } = headers;
  return { url: next, headers: others };
}

/** The same for whom the registry is wrong. @throws UpstreamInvalid */
export function followed(hop: Hop, location: string): Hop {
  try {
    return nextHop(hop, location);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : 'it redirects';
    throw new UpstreamInvalid(hop.url.host, problem, { cause });
  }
}
