import type { WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';

/** Counts content towards its project, however many of its repositories have it. Size in bytes. */
export async function addContent(
  transaction: WriteTransaction,
  project: number,
  content: { readonly digest: Digest; readonly size: number },
): Promise<void> {
  await transaction
    .insertInto('project_contents')
    .values({ project, digest: content.digest, size: content.size })
    .onConflict((conflict) => conflict.columns(['project', 'digest']).doNothing())
    .execute();
}

/** Stops counting it once no repository of the project has it any more. */
export async function dropContent(
  transaction: WriteTransaction,
  project: number,
  digest: Digest,
): Promise<void> {
  await transaction
    .deleteFrom('project_contents')
    .where('project', '=', project)
    .where('digest', '=', digest)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('blob_links')
            .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
            .select('blob_links.repository')
            .where('blob_links.digest', '=', digest)
            .where('repositories.project', '=', project),
        ),
      ),
    )
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('manifests')
            .innerJoin('repositories', 'repositories.id', 'manifests.repository')
            .select('manifests.id')
            .where('manifests.digest', '=', digest)
            .where('repositories.project', '=', project),
        ),
      ),
    )
    .execute();
}
