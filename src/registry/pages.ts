import { UpstreamInvalid } from './errors.ts';
import { nextQueryIn } from './link.ts';
import type { Call, RegistryCalls, WholeAnswer } from './registry-client.ts';

/** More than any registry needs for a hundred thousand tags at a hundred a page. */
const MOST_PAGES = 1000;

/**
 * Page after page, each as it came; the reader looks at its status. Ends after the last, or after one that is not 200.
 *
 * @throws UpstreamInvalid when pages repeat or do not end
 */
export async function* pagesOf(calls: RegistryCalls, first: Call): AsyncGenerator<WholeAnswer> {
  const { listBytes, pagesBytes } = calls.limits;
  const seen = new Set<string>();
  let leftBytes = pagesBytes;
  let call = first;
  while (seen.size < MOST_PAGES) {
    seen.add(call.url.search);
    const page = await calls.read(call, listBytes);
    leftBytes -= page.bytes.length;
    if (leftBytes < 0) {
      throw new UpstreamInvalid(first.url.host, `pages of more than ${pagesBytes} bytes`);
    }
    yield page;
    const query = page.status === 200 ? nextQueryIn(page.headers['link']) : undefined;
    if (query === undefined) return;
    const url = new URL(call.url);
    url.search = query;
    if (seen.has(url.search)) throw new UpstreamInvalid(call.url.host, 'its pages go in a circle');
    call = { ...call, url };
  }
  throw new UpstreamInvalid(first.url.host, `more than ${MOST_PAGES} pages`);
}
