/**
 * The query of the next page, from `Link: <…>; rel="next"` (RFC 8288); undefined where there is none. Only the query:
 * registries behind a proxy are wrong about their host and path, and a link must not lead elsewhere.
 */
export function nextQueryIn(link: string | string[] | undefined): string | undefined {
  for (const [, target = '', parameters = ''] of String(link ?? '').matchAll(
    /<([^>]*)>((?:\s*;\s*[a-z]+\s*=\s*(?:"[^"]*"|[^\s;,"]+))*)/gi,
  )) {
    if (!/;\s*rel\s*=\s*"?(?:[^"]*\s)?next(?:\s|"|$)/i.test(parameters)) continue;
    const query = target.indexOf('?');
    return query < 0 ? undefined : target.slice(query);
  }
  return undefined;
}
