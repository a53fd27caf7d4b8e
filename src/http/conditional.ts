import type { Digest } from '../oci/digest.ts';
import type { Context } from './context.ts';

/** Content with a digest never changes, so its digest is its strongest validator. */
export function etagOf(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether `If-None-Match` has it, weak forms and bare digests included (RFC 9110 section 13.1.2). */
export function isNotModified({ req }: Context, digest: Digest): boolean {
  const candidates = req.headers['if-none-match'];
  if (candidates === undefined) return false;
  return candidates.split(',').some((candidate) => {
    const tag = candidate.trim();
    return tag === '*' || tag.replace(/^W\//, '').replaceAll('"', '') === digest;
  });
}

/** Whether `Range` counts: `If-Range` is absent or is exactly this content (RFC 9110 section 13.1.5; never a weak match). */
export function isRangeWanted({ req }: Context, digest: Digest): boolean {
  const condition = req.headers['if-range'];
  return condition === undefined || condition === etagOf(digest);
}
