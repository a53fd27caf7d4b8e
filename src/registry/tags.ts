import { z } from 'zod';
import { isTag } from '../oci/reference.ts';
import { UpstreamInvalid } from './errors.ts';
import { jsonIn } from './json.ts';
import { pagesOf } from './pages.ts';
import type { CallOptions } from './peer.ts';
import { type RepositoryCalls, refusal } from './repository-calls.ts';

// As ggcr, and the most that distribution and ECR give.
const PAGE_SIZE = 1000;

const TagList = z.object({ tags: z.array(z.string()).nullish() });

/** @throws OciError NAME_UNKNOWN */
export async function* listTags(
  at: RepositoryCalls,
  repository: string,
  options: CallOptions & { readonly actions: string },
): AsyncGenerator<string> {
  const { calls, host } = at;
  const call = at.to(repository, `tags/list?n=${PAGE_SIZE}`, options);
  for await (const { status, bytes } of pagesOf(calls, call)) {
    if (status !== 200) throw refusal(call, status, 'NAME_UNKNOWN');
    const page = TagList.safeParse(jsonIn(bytes, host));
    if (!page.success) throw new UpstreamInvalid(host, 'a list of tags that is none');
    // What is no tag cannot be asked for either.
    yield* (page.data.tags ?? []).filter(isTag);
  }
}
