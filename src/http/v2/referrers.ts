import { Router } from '@koa/router';
import { type Digest, isDigest } from '../../oci/digest.ts';
import { OciError } from '../../oci/error.ts';
import { OCI_INDEX } from '../../oci/media-type.ts';
import type { Routes, State } from '../context.ts';
import { nextPage, pathTo } from '../links.ts';
import { queryOf } from '../query.ts';
import { requestSignal } from '../request-signal.ts';
import type { Gate, Target } from '../target.ts';

/** A manifest whose `subject` is another, as it is listed. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** In no order. */
export interface ReferrerPage {
  readonly referrers: readonly Referrer[];
  /** Where more come: not less than any of these, and less than all that are to come. */
  readonly next: Digest | undefined;
}

export interface ReferrerOptions {
  readonly artifactType?: string;
  /** Only digests after it, in byte order. */
  readonly last?: string;
  readonly signal: AbortSignal;
}

/** What this route needs of the node. */
export interface Referrers {
  /** As many as the node likes to read at once; none for a subject that nobody ever saw. */
  referrers(target: Target, subject: Digest, options: ReferrerOptions): Promise<ReferrerPage>;
}

// Bytes. The list is an index, and clients read no manifest above 4 MiB (distribution-spec v1.1.1 "Pushing Manifests").
const LARGEST_PAGE = 4 * 1024 * 1024 - 1024;

/** `/v2/<name>/referrers/<digest>`, distribution-spec v1.1.1. */
export function referrerRoutes(source: Referrers, gate: Gate): Routes {
  const router: Routes = new Router<State, object>();

  // end-12a, end-12b
  router.get(/^\/v2\/(.+)\/referrers\/([^/]+)$/, async (ctx) => {
    const [name = '', subject = ''] = ctx.captures ?? [];
    const target = await gate(ctx, { route: 'referrers', name, action: 'pull' });
    if (!isDigest(subject)) throw new OciError('DIGEST_INVALID', { detail: subject });
    const artifactType = queryOf(ctx, 'artifactType') || undefined;
    const filter = artifactType === undefined ? {} : { artifactType };
    const last = queryOf(ctx, 'last') ?? '';
    const found = await source.referrers(target, subject, {
      signal: requestSignal(ctx),
      last,
      ...filter,
    });
    const { entries, next } = pageAfter(found, last);
    if (next !== undefined) {
      const path = pathTo(target, `referrers/${subject}`, { ...filter, last: next });
      ctx.res.setHeader('Link', nextPage(path));
    }
    if (artifactType !== undefined) ctx.res.setHeader('OCI-Filters-Applied', 'artifactType');
    const head = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[`;
    ctx.status = 200;
    // Exactly this, without a charset: oras and crane compare it (docs/wire-notes.md 5).
    ctx.res.setHeader('Content-Type', OCI_INDEX);
    ctx.body = Buffer.from(`${head}${entries.join(',')}]}`);
  });

  return router;
}

/** As many referrers as fit, in the order of their digests: an order that later pushes do not disturb. */
function pageAfter(
  { referrers, next }: ReferrerPage,
  last: string,
): { entries: readonly string[]; next: string | undefined } {
  const rest = referrers
    .filter(({ digest }) => digest > last)
    .toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
  const entries: string[] = [];
  let size = 0;
  for (const [index, referrer] of rest.entries()) {
    const entry = JSON.stringify(describe(referrer));
    size += Buffer.byteLength(entry) + 1;
    if (size > LARGEST_PAGE && index > 0) return { entries, next: rest[index - 1]?.digest };
    entries.push(entry);
  }
  return { entries, next };
}

function describe({ mediaType, digest, size, artifactType, annotations }: Referrer): object {
  const hasAnnotations = Object.keys(annotations).length > 0;
  return { mediaType, digest, size, artifactType, ...(hasAnnotations ? { annotations } : {}) };
}
