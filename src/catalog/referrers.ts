import type { Database } from '../database/database.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';

/** A manifest whose `subject` is another, as the referrers API lists it (distribution-spec v1.1.1 "Listing Referrers"). */
export interface Referrer extends Descriptor {
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Referrers {
  /**
   * Oldest first; none where the repository or the subject is unknown, or nothing refers to it.
   *
   * What clients listed under a fallback tag (`sha256-<hex>`) is here too, as far as it is true: a manifest counts by its
   * own `subject`, which is kept of every manifest of every type, and its descriptor is made of the manifest, so that an
   * index that lies about either adds nothing.
   */
  list(repository: string, subject: Digest, artifactType?: string): Promise<readonly Referrer[]>;
}

export function createReferrers({ database }: { readonly database: Database }): Referrers {
  return {
    async list(repository, subject, artifactType) {
      let query = database.read
        .selectFrom('repositories')
        .innerJoin('manifests', 'manifests.repository', 'repositories.id')
        .innerJoin('manifest_bytes', 'manifest_bytes.digest', 'manifests.digest')
        .select([
          'manifests.digest',
          'manifests.media_type',
          'manifests.artifact_type',
          'manifests.size',
          'manifest_bytes.bytes',
        ])
        .where('repositories.name', '=', repository)
        .where('manifests.subject', '=', subject)
        .orderBy('manifests.id');
      if (artifactType !== undefined) {
        query = query.where('manifests.artifact_type', '=', artifactType);
      }
      const rows = await query.execute();
      return rows.map(({ digest, media_type, artifact_type, size, bytes }) => ({
        mediaType: media_type,
        digest,
        size,
        artifactType: artifact_type ?? undefined,
        annotations: parseManifest(bytes, media_type).annotations,
      }));
    },
  };
}
