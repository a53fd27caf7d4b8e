import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import { ManagementError } from '../oci/management-error.ts';
import { type ArtifactPlace, type ArtifactRow, requireArtifact } from './artifact-rows.ts';
import { type Label, requireLabel } from './labels.ts';

export interface ArtifactLabels {
  /**
   * A label of another project is not there.
   *
   * @throws ManagementError NOT_FOUND, CONFLICT where it is on it already; OciError NAME_UNKNOWN, MANIFEST_UNKNOWN
   */
  attach(artifact: ArtifactPlace, id: number, actor: Actor): Promise<void>;
  /** @throws ManagementError NOT_FOUND, OciError NAME_UNKNOWN, MANIFEST_UNKNOWN */
  detach(artifact: ArtifactPlace, id: number, actor: Actor): Promise<void>;
}

export function createArtifactLabels(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): ArtifactLabels {
  const { database, now } = options;
  return {
    attach: (artifact, id, actor) =>
      database.write(async (transaction) => {
        const { label, row } = await requireBoth(transaction, artifact, id);
        const added = await transaction
          .insertInto('manifest_labels')
          .values({ manifest: row.id, label: id })
          .onConflict((conflict) => conflict.doNothing())
          .returning('label')
          .executeTakeFirst();
        if (added === undefined) {
          throw new ManagementError('CONFLICT', `label ${label.name} is on the artifact already`);
        }
        await tellOf(transaction, { label, row }, { actor, operation: 'create', at: now() });
      }),

    detach: (artifact, id, actor) =>
      database.write(async (transaction) => {
        const { label, row } = await requireBoth(transaction, artifact, id);
        const gone = await transaction
          .deleteFrom('manifest_labels')
          .where('manifest', '=', row.id)
          .where('label', '=', id)
          .returning('label')
          .executeTakeFirst();
        if (gone === undefined) {
          throw new ManagementError('NOT_FOUND', `label ${label.name} is not on the artifact`);
        }
        await tellOf(transaction, { label, row }, { actor, operation: 'delete', at: now() });
      }),
  };
}

async function requireBoth(
  queries: Queries,
  { repository, reference }: ArtifactPlace,
  id: number,
): Promise<{ readonly label: Label; readonly row: ArtifactRow }> {
  const row = await requireArtifact(queries, repository, reference);
  const label = await requireLabel(queries, id);
  if (label.project === undefined || label.project === row.project) return { label, row };
  throw new ManagementError('NOT_FOUND', `label ${id} not found`);
}

async function tellOf(
  transaction: WriteTransaction,
  { label, row }: { readonly label: Label; readonly row: ArtifactRow },
  act: { readonly actor: Actor; readonly operation: 'create' | 'delete'; readonly at: number },
): Promise<void> {
  const resource = `${row.name}@${row.digest}`;
  const about = {
    resourceType: 'artifact-label',
    resource,
    project: row.project,
    succeeded: true,
  } as const;
  await writeAudit(transaction, { ...act, ...about, detail: label.name });
}
