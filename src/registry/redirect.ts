// As curl and the Go clients count.
export const MOST_HOPS = 10;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface Hop {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Where the answer sends us, if it does. */
export function locationOf(status: number, location: string | undefined): string | undefined {
  return REDIRECTS.has(status) ? location : undefined;
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
