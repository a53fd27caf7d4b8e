import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';

/** A manifest whose `subject` is another, as the referrers API lists it (distribution-spec v1.1.1 "Listing Referrers"). */
export interface Referrer extends Descriptor {
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

/** In the order of their digests, which later pushes do not disturb. */
export interface ReferrerPage {
  readonly referrers: readonly Referrer[];
  /** After which the next page begins; undefined with the last page. */
  readonly next: Digest | undefined;
}

export interface ReferrerQuery {
  readonly artifactType?: string | undefined;
  /** Only what comes after it. */
  readonly last?: string | undefined;
}

export interface Referrers {
  /**
   * None where the repository or the subject is unknown, or nothing refers to it. A page reads manifests of 8 MiB, or the one
   * that alone is larger: anybody may ask, and push as many of the largest as they like.
   *
   * What clients listed under a fallback tag (`sha256-<hex>`) is here too, as far as it is true: a manifest counts by its
   * own `subject`, which is kept of every manifest of every type, and its descriptor is made of the manifest, so that an
   * index that lies about either adds nothing.
   */
  list(repository: string, subject: Digest, query?: ReferrerQuery): Promise<ReferrerPage>;
  /** Whether there are any. */
  exist(repository: string, subject: Digest): Promise<boolean>;
}

/** Bytes of manifests that are read for one page. */
const LARGEST_PAGE = 8 * 1024 * 1024;
const LONGEST_PAGE = 5000;

export function createReferrers({ database }: { readonly database: Database }): Referrers {
  const referring = (repository: string, subject: Digest) =>
    database.read
      .selectFrom('repositories')
      .innerJoin('manifests', 'manifests.repository', 'repositories.id')
      .where('repositories.name', '=', repository)
      .where('manifests.subject', '=', subject);
  return {
    async list(repository, subject, { artifactType, last } = {}) {
      let rows = referring(repository, subject).orderBy('manifests.digest');
      if (last !== undefined) rows = rows.where(sql.ref<string>('manifests.digest'), '>', last);
      if (artifactType !== undefined) rows = rows.where('artifact_type', '=', artifactType);
      const sizes = await rows
        .select(['manifests.digest', 'manifests.size'])
        .limit(LONGEST_PAGE + 1)
        .execute();
      const fitting = fittingOf(sizes);
      const end = fitting.at(-1)?.digest;
      if (end === undefined) return { referrers: [], next: undefined };
      const found = await rows
        .innerJoin('manifest_bytes', 'manifest_bytes.digest', 'manifests.digest')
        .select(['manifests.digest', 'manifests.media_type', 'manifests.artifact_type'])
        .select(['manifests.size', 'manifest_bytes.bytes'])
        .where('manifests.digest', '<=', end)
        .execute();
      const referrers = found.map(({ digest, media_type, artifact_type, size, bytes }) => ({
        mediaType: media_type,
        digest,
        size,
        artifactType: artifact_type ?? undefined,
        annotations: parseManifest(bytes, media_type).annotations,
      }));
      return { referrers, next: fitting.length < sizes.length ? end : undefined };
    },

    async exist(repository, subject) {
      const found = await referring(repository, subject).select('manifests.id').limit(1).execute();
      return found.length > 0;
    },
  };
}

/** As many as one page takes, one at least. */
function fittingOf<T extends { readonly size: number }>(rows: readonly T[]): readonly T[] {
  let bytes = 0;
  const end = rows.findIndex(({ size }, index) => {
    bytes += size;
    return index > 0 && (bytes > LARGEST_PAGE || index >= LONGEST_PAGE);
  });
  return end === -1 ? rows : rows.slice(0, end);
}
