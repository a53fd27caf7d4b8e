import { z } from 'zod';
import { isRepositoryName } from '../oci/reference.ts';
import { UpstreamInvalid } from './errors.ts';
import { jsonIn } from './json.ts';
import { pagesOf } from './pages.ts';
import type { CallOptions } from './peer.ts';
import type { RegistryCalls } from './registry-client.ts';
import { writeRefusal } from './repository-calls.ts';

// The most that distribution v3 gives unless it is told otherwise; more is refused there.
const PAGE_SIZE = 1000;

const Page = z.object({ repositories: z.array(z.string()).nullish() });

/** Distribution's `_catalog`, which is in no specification. @throws OciError UNSUPPORTED where there is none */
export async function* listCatalog(
  calls: RegistryCalls,
  base: URL,
  { prefix = '', signal, abandoned }: CallOptions & { readonly prefix?: string },
): AsyncGenerator<string> {
  const url = new URL(`v2/_catalog?n=${PAGE_SIZE}`, base);
  const scope = 'registry:catalog:*';
  const call = { method: 'GET', url, scope, lane: 'control', signal, abandoned } as const;
  for await (const page of pagesOf(calls, call)) {
    if (page.status !== 200) throw writeRefusal(call, page, 'UNSUPPORTED');
    const parsed = Page.safeParse(jsonIn(page.bytes, base.host));
    if (!parsed.success) throw new UpstreamInvalid(base.host, 'a catalog that is none');
    for (const name of parsed.data.repositories ?? []) {
      // What is no name cannot be asked for either.
      if (name.startsWith(prefix) && isRepositoryName(name)) yield name;
    }
  }
}
