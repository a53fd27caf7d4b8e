import type { Target } from './target.ts';

/**
 * The path of something in the repository, for `Location` and `Link`: relative to the host, which every client resolves
 * and every proxy in front leaves right, and in the client's own words, `ns` included.
 *
 * @param rest what follows the name, e.g. `blobs/sha256:…`
 */
export function pathTo(
  target: Target,
  rest: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const parameters = new URLSearchParams(query);
  if (target.ns !== undefined) parameters.set('ns', target.ns);
  const search = parameters.size === 0 ? '' : `?${parameters.toString()}`;
  return `/v2/${target.clientName}/${rest}${search}`;
}

/** The `Link` header that leads to the next page (RFC 8288). */
export function nextPage(path: string): string {
  return `<${path}>; rel="next"`;
}
