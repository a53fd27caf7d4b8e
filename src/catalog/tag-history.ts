import { tagEntry } from '../audit/artifact-events.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { ManagementError } from '../oci/management-error.ts';
import { type ArtifactRow, requireArtifact } from './artifact-rows.ts';
import { cacheOnly, projectOf } from './artifact-wholes.ts';
import { projectNameOf, type Repository, requireRepository } from './repositories.ts';
import { pointTags } from './tag-rows.ts';
import { createTags, type Tags } from './tags.ts';

/** A tag, of a canonical repository. */
export interface TagPlace {
  readonly repository: string;
  readonly tag: string;
}

/** What tags pointed to before. */
export interface TagHistory extends Pick<Tags, 'history'> {
  /**
   * Points the tag to what it pointed to before its last move, or to `to`, which it pointed to once: a move like all
   * others, in history, feed and audit log. One that was deleted is there again.
   *
   * @throws OciError NAME_UNKNOWN, TAG_IMMUTABLE, UNSUPPORTED in a proxy project; ManagementError NOT_FOUND where it was
   *   never there, PRECONDITION where there is no such former manifest, or it is gone
   */
  rollBack(
    place: TagPlace,
    actor: Actor,
    options?: { readonly to?: Digest | undefined },
  ): Promise<{ readonly digest: Digest; readonly previous: Digest | undefined }>;
}

export function createTagHistory(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): TagHistory {
  const { database, now } = options;
  const tags = createTags(options);
  return {
    history: (repository, tag) => tags.history(repository, tag),
    rollBack: (place, actor, { to } = {}) =>
      database.write(async (transaction) => {
        const { repository: name, tag } = place;
        const repository = await requireRepository(transaction, name);
        if ((await projectOf(transaction, name)).kind === 'proxy') {
          throw cacheOnly(projectNameOf(name));
        }
        const { digest, previous } = await targetOf(transaction, repository, { tag, to });
        const row = await formerArtifact(transaction, place, digest);
        const at = now();
        const { project } = repository;
        const what = { digest, manifest: changedManifest(row), isNew: false, tags: [tag] } as const;
        const act = { actor: actor.name, cause: 'api', at } as const;
        await pointTags(transaction, { repository, ...what, ownership: 'origin' }, act);
        const entry = tagEntry('create', { repository: name, project, tag }, { actor, at });
        await writeAudit(transaction, entry);
        return { digest, previous };
      }),
  };
}

/** @throws ManagementError NOT_FOUND, PRECONDITION */
async function targetOf(
  transaction: WriteTransaction,
  { id, name }: Repository,
  { tag, to }: { readonly tag: string; readonly to: Digest | undefined },
): Promise<{ readonly digest: Digest; readonly previous: Digest | undefined }> {
  const moves = await transaction
    .selectFrom('tag_history')
    .select(['digest', 'previous_digest'])
    .where('repository', '=', id)
    .where('tag', '=', tag)
    .orderBy('id', 'desc')
    .execute();
  const [last] = moves;
  if (last === undefined) throw new ManagementError('NOT_FOUND', `${name}:${tag} was never there`);
  const previous = last.digest ?? undefined;
  const had = (digest: Digest): boolean =>
    moves.some((move) => move.digest === digest || move.previous_digest === digest);
  const digest = to ?? last.previous_digest;
  if (digest === null) {
    throw new ManagementError('PRECONDITION', `${name}:${tag} pointed to nothing before`);
  }
  if (had(digest)) return { digest, previous };
  throw new ManagementError('PRECONDITION', `${name}:${tag} never pointed to ${digest}`);
}

/** @throws ManagementError PRECONDITION where it is gone */
async function formerArtifact(
  transaction: WriteTransaction,
  { repository, tag }: TagPlace,
  digest: Digest,
): Promise<ArtifactRow> {
  try {
    return await requireArtifact(transaction, repository, { kind: 'digest', digest });
  } catch (cause) {
    if (!(cause instanceof OciError) || cause.code !== 'MANIFEST_UNKNOWN') throw cause;
    const message = `${digest}, which ${repository}:${tag} pointed to, is gone`;
    throw new ManagementError('PRECONDITION', message, { cause });
  }
}

function changedManifest({ media_type, artifact_type, subject, size }: ArtifactRow) {
  return {
    mediaType: media_type,
    artifactType: artifact_type ?? undefined,
    subject: subject ?? undefined,
    size,
  };
}
