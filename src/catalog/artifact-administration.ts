import { artifactEntry, tagEntry } from '../audit/artifact-events.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { ManagementError } from '../oci/management-error.ts';
import { isRepositoryName, isTag } from '../oci/reference.ts';
import { manifestDeleted, manifestPushed, tagDeleted } from '../telemetry/channels.ts';
import { type ArtifactPlace, type ArtifactRow, requireArtifact } from './artifact-rows.ts';
import { cacheOnly, copyWhole, projectOf, removeWhole, repositoryOf } from './artifact-wholes.ts';
import { projectNameOf } from './repositories.ts';
import { type Act, pointTags, removeTags } from './tag-rows.ts';

/** Changing what is in repositories without pushing. Proxy projects only lose: what they have is their upstream's. */
export interface ArtifactAdministration {
  /**
   * With its tags, what hangs on it, and the children of an index that nothing else needs.
   *
   * @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN, TAG_IMMUTABLE; ManagementError PRECONDITION while an index has it
   */
  remove(artifact: ArtifactPlace, actor: Actor): Promise<void>;
  /**
   * @returns the tag's id
   * @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN, UNSUPPORTED in a proxy project; ManagementError BAD_REQUEST for a name
   *   that is no tag's, CONFLICT where the repository has it
   */
  tag(artifact: ArtifactPlace, name: string, actor: Actor): Promise<{ readonly id: number }>;
  /** @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN, TAG_IMMUTABLE; ManagementError NOT_FOUND */
  untag(artifact: ArtifactPlace, name: string, actor: Actor): Promise<void>;
  /**
   * Into another repository of this node, made if it is not there, with what hangs on it and below it. Copied by a tag,
   * it gets that tag, and by digest all of its tags.
   *
   * @throws OciError NAME_UNKNOWN, MANIFEST_UNKNOWN, UNSUPPORTED into a proxy project, MANIFEST_BLOB_UNKNOWN where not all of
   *   it is here, TAG_IMMUTABLE, DENIED over the project's limit; ManagementError BAD_REQUEST
   */
  copy(from: ArtifactPlace, to: string, actor: Actor): Promise<{ readonly digest: Digest }>;
}

export function createArtifactAdministration(options: {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}): ArtifactAdministration {
  const { database, now } = options;
  return {
    async remove({ repository, reference }, actor) {
      const { digest } = await database.write(async (transaction) => {
        const row = await requireArtifact(transaction, repository, reference);
        await removeWhole(transaction, row, { actor: actor.name, cause: 'api', at: now() });
        await tell(transaction, row, { actor, operation: 'delete', at: now() });
        return row;
      });
      if (manifestDeleted.hasSubscribers) {
        manifestDeleted.publish({ repository, digest, caller: actor.name });
      }
    },

    async tag({ repository, reference }, name, actor) {
      if (!isTag(name)) throw new ManagementError('BAD_REQUEST', `${name} is no name of a tag`);
      return database.write(async (transaction) => {
        const row = await requireArtifact(transaction, repository, reference);
        const at = now();
        const id = await addTag(transaction, row, name, { actor: actor.name, cause: 'api', at });
        await tell(transaction, row, { actor, operation: 'create', at, tag: name });
        return { id };
      });
    },

    async untag({ repository, reference }, name, actor) {
      await database.write(async (transaction) => {
        const row = await requireArtifact(transaction, repository, reference);
        const at = now();
        await removeTag(transaction, row, name, { actor: actor.name, cause: 'api', at });
        await tell(transaction, row, { actor, operation: 'delete', at, tag: name });
      });
      if (tagDeleted.hasSubscribers) {
        tagDeleted.publish({ repository, tag: name, caller: actor.name });
      }
    },

    async copy(from, to, actor) {
      if (!isRepositoryName(to))
        throw new ManagementError('BAD_REQUEST', `${to} names no repository`);
      const { digest, tags } = await database.write(async (transaction) => {
        const row = await requireArtifact(transaction, from.repository, from.reference);
        const at = now();
        const act = { actor: actor.name, cause: 'api', at } as const;
        const tag = from.reference.kind === 'tag' ? from.reference.tag : undefined;
        const copied = await copyWhole(transaction, row, { to, tag, act });
        await tell(transaction, { ...row, ...copied }, { actor, operation: 'create', at });
        return { digest: row.digest, tags: copied.tags };
      });
      if (manifestPushed.hasSubscribers) {
        manifestPushed.publish({ repository: to, digest, tags, caller: actor.name });
      }
      return { digest };
    },
  };
}

async function addTag(
  transaction: WriteTransaction,
  row: ArtifactRow,
  name: string,
  act: Act,
): Promise<number> {
  const { kind } = await projectOf(transaction, row.name);
  if (kind === 'proxy') throw cacheOnly(projectNameOf(row.name));
  const named = transaction
    .selectFrom('tags')
    .select('id')
    .where('repository', '=', row.repository)
    .where('name', '=', name);
  if ((await named.executeTakeFirst()) !== undefined) {
    throw new ManagementError('CONFLICT', `tag ${name} already exists`);
  }
  const manifest = {
    mediaType: row.media_type,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject ?? undefined,
    size: row.size,
  };
  const { digest } = row;
  const what = { digest, manifest, isNew: false, tags: [name], ownership: 'origin' } as const;
  await pointTags(transaction, { repository: repositoryOf(row), ...what }, act);
  return (await named.executeTakeFirstOrThrow()).id;
}

async function removeTag(
  transaction: WriteTransaction,
  row: ArtifactRow,
  name: string,
  act: Act,
): Promise<void> {
  const tags = await transaction
    .selectFrom('tags')
    .selectAll()
    .where('repository', '=', row.repository)
    .where('digest', '=', row.digest)
    .where('name', '=', name)
    .execute();
  if (tags.length === 0) throw new ManagementError('NOT_FOUND', `tag ${name} not found`);
  await removeTags(transaction, { repository: repositoryOf(row), tags }, act);
}

async function tell(
  transaction: WriteTransaction,
  { name: repository, digest, project }: Pick<ArtifactRow, 'name' | 'digest' | 'project'>,
  act: { actor: Actor; operation: 'create' | 'delete'; at: number; tag?: string },
): Promise<void> {
  const { tag, operation, ...done } = act;
  const entry =
    tag === undefined
      ? artifactEntry(operation, { repository, project, digest }, done)
      : tagEntry(operation, { repository, project, tag }, done);
  await writeAudit(transaction, entry);
}
