/** What has to change in a copy of the metadata so that a node can start from it. */
import { unlinkBlob } from '../catalog/blob-rows.ts';
import type { Database } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';

const PAGE = 1_000;

/** Takes out what lies in staging, and what nothing refers to. */
export async function forgetUnfinished(database: Database): Promise<void> {
  await database.write(async (transaction) => {
    await transaction.deleteFrom('uploads').execute();
    await transaction.deleteFrom('fills').execute();
    await transaction
      .deleteFrom('blobs')
      .where((is) =>
        is.not(
          is.exists(
            is
              .selectFrom('blob_links')
              .select('blob_links.repository')
              .whereRef('blob_links.digest', '=', 'blobs.digest'),
          ),
        ),
      )
      .execute();
  });
}

export interface NamedBlob {
  readonly digest: Digest;
  /** Whether anybody has it who did not only pull it through. */
  readonly isOwned: boolean;
}

/** Every blob once; the caller may take out those that it was given. */
export async function* namedBlobs(database: Database): AsyncGenerator<NamedBlob> {
  let after: Digest | undefined;
  for (;;) {
    const page = await pageAfter(database, after);
    for (const { digest, owned } of page) yield { digest, isOwned: Boolean(owned) };
    after = page.at(-1)?.digest;
    if (after === undefined) return;
  }
}

function pageAfter(database: Database, after: Digest | undefined) {
  const blobs = database.read.selectFrom('blobs');
  const rest = after === undefined ? blobs : blobs.where('digest', '>', after);
  return rest
    .select((row) => [
      'digest',
      row
        .exists(
          row
            .selectFrom('blob_links')
            .select('blob_links.repository')
            .whereRef('blob_links.digest', '=', 'blobs.digest')
            .where('blob_links.ownership', '!=', 'cache'),
        )
        .as('owned'),
    ])
    .orderBy('digest')
    .limit(PAGE)
    .execute();
}

/** As eviction does, and the row too: there will be no file to remove. */
export async function forgetBlob(database: Database, digest: Digest): Promise<void> {
  await database.write(async (transaction) => {
    const holders = await transaction
      .selectFrom('blob_links')
      .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
      .select(['repositories.id', 'repositories.name', 'repositories.project'])
      .where('blob_links.digest', '=', digest)
      .execute();
    for (const repository of holders) {
      await unlinkBlob(transaction, repository, { digest, at: 0 });
    }
    await transaction.deleteFrom('blobs').where('digest', '=', digest).execute();
  });
}
