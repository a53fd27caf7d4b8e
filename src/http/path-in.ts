import type { IncomingMessage } from 'node:http';

/** The path as it came, for logs: without the query, which may hold what is nobody's business. */
export function pathIn({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
