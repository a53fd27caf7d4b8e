import { tagEntry } from '../audit/artifact-events.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, Queries } from '../database/database.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { tagDeleted } from '../telemetry/channels.ts';
import type { FoundTag } from './found-manifests.ts';
import { requireRepository } from './repositories.ts';
import { removeTags } from './tag-rows.ts';

export interface TagsOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export interface TagPage {
  /** Only tags after this one. */
  readonly last?: string | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
}

/** One move of a tag. */
export interface TagMove {
  /** Undefined: the tag was deleted. */
  readonly digest: Digest | undefined;
  readonly previous: Digest | undefined;
  readonly actor: string;
  readonly cause: string;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** The tags of this node's repositories, by canonical name. */
export interface Tags {
  /** In byte order. @throws OciError NAME_UNKNOWN */
  list(repository: string, page?: TagPage): Promise<readonly string[]>;
  /** All of them, in no order; none where there is no such repository. */
  found(repository: string): Promise<readonly FoundTag[]>;
  /** Upstream says that the cached tag still points there; nothing happens if it does not any more. */
  confirm(repository: string, tag: string, digest: Digest, checkedAt: number): Promise<void>;
  /** The manifest stays. @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN, TAG_IMMUTABLE */
  remove(repository: string, tag: string, actor: Actor): Promise<void>;
  /** Newest first, deletions included; of owned tags. @throws OciError NAME_UNKNOWN */
  history(repository: string, tag: string): Promise<readonly TagMove[]>;
}

export function createTags({ database, now }: TagsOptions): Tags {
  return {
    list: (repository, page = {}) => listTags(database.read, repository, page),
    found: (repository) => foundTags(database.read, repository),
    history: (repository, tag) => historyOf(database.read, repository, tag),

    async confirm(repository, tag, digest, checkedAt) {
      await database.write((transaction) =>
        transaction
          .updateTable('tags')
          .set({ checked_at: checkedAt })
          .where('repository', 'in', (query) =>
            query
              .selectFrom('repositories')
              .select('id')
              .where('repositories.name', '=', repository),
          )
          .where('tags.name', '=', tag)
          .where('tags.digest', '=', digest)
          .where('tags.ownership', '=', 'cache')
          .execute(),
      );
    },

    async remove(name, tag, actor) {
      await database.write(async (transaction) => {
        const repository = await requireRepository(transaction, name);
        const tags = await transaction
          .selectFrom('tags')
          .selectAll()
          .where('repository', '=', repository.id)
          .where('name', '=', tag)
          .execute();
        if (tags.length === 0) throw new OciError('MANIFEST_UNKNOWN', { detail: { tag } });
        const at = now();
        const act = { actor: actor.name, cause: 'api', at } as const;
        await removeTags(transaction, { repository, tags }, act);
        const { project } = repository;
        const entry = tagEntry('delete', { repository: name, project, tag }, { actor, at });
        await writeAudit(transaction, entry);
      });
      if (tagDeleted.hasSubscribers) {
        tagDeleted.publish({ repository: name, tag, caller: actor.name });
      }
    },
  };
}

async function listTags(
  queries: Queries,
  name: string,
  { last, limit }: TagPage,
): Promise<readonly string[]> {
  const repository = await requireRepository(queries, name);
  if (limit === 0) return [];
  let query = queries
    .selectFrom('tags')
    .select('name')
    .where('repository', '=', repository.id)
    .orderBy('name');
  if (last !== undefined) query = query.where('name', '>', last);
  if (limit !== undefined) query = query.limit(limit);
  return (await query.execute()).map((tag) => tag.name);
}

async function foundTags(queries: Queries, repository: string): Promise<readonly FoundTag[]> {
  const rows = await queries
    .selectFrom('repositories')
    .innerJoin('tags', 'tags.repository', 'repositories.id')
    .select(['tags.name', 'tags.ownership', 'tags.checked_at'])
    .where('repositories.name', '=', repository)
    .execute();
  return rows.map(({ name, ownership, checked_at }) => ({
    name,
    ownership,
    checkedAt: checked_at ?? undefined,
  }));
}

async function historyOf(queries: Queries, name: string, tag: string): Promise<readonly TagMove[]> {
  const repository = await requireRepository(queries, name);
  const rows = await queries
    .selectFrom('tag_history')
    .selectAll()
    .where('repository', '=', repository.id)
    .where('tag', '=', tag)
    .orderBy('id', 'desc')
    .execute();
  return rows.map(({ digest, previous_digest, actor, cause, at }) => ({
    digest: digest ?? undefined,
    previous: previous_digest ?? undefined,
    actor,
    cause,
    at,
  }));
}
