import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { Source, Waiting } from './sides.ts';

/** What the tag points to at the source; undefined where it has none of that name. */
export async function tagAt(
  source: Pick<Source, 'digestOf'>,
  repository: string,
  { tag, signal }: Waiting & { readonly tag: string },
): Promise<Digest | undefined> {
  try {
    return await source.digestOf(repository, tag, { signal });
  } catch (error) {
    const isUnknown =
      error instanceof OciError && ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code);
    if (isUnknown) return undefined;
    throw error;
  }
}
