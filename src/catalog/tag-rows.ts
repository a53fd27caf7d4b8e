import type { Selectable } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { Cause, TagRow } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import {
  appendChanges,
  type Change,
  type ChangedManifest,
  type FeedPosition,
} from './change-feed.ts';
import { refuseImmutable } from './immutable-rules.ts';
import { isOwned, type OwnedOwnership } from './ownership.ts';
import { projectNameOf, type Repository } from './repositories.ts';
import { refuseReadOnly } from './settings.ts';

/** A row as it was read. */
export type KnownTag = Selectable<TagRow>;

/** Who did it and when. */
export interface Act {
  readonly actor: string;
  readonly cause: Cause;
  /** Milliseconds UTC. */
  readonly at: number;
}

/** An owned manifest that was written, and the tags that shall point to it. */
export interface Tagging {
  readonly repository: Repository;
  readonly digest: Digest;
  readonly manifest: ChangedManifest;
  /** Whether the feed has to tell of the manifest too. */
  readonly isNew: boolean;
  readonly tags: readonly string[];
  /** What the tags that move become. */
  readonly ownership: OwnedOwnership;
}

/**
 * Points the tags at the manifest: rows, history and feed. A tag that points there already gets a new push time and
 * nothing else, so that a push that is repeated tells nobody anything.
 *
 * @throws OciError TAG_IMMUTABLE, DENIED while the node is read only
 */
export async function pointTags(
  transaction: WriteTransaction,
  tagging: Tagging,
  act: Act,
): Promise<void> {
  const { repository, digest } = tagging;
  await refuseReadOnly(transaction);
  const known = await tagsNamed(transaction, repository, tagging.tags);
  const moved = tagging.tags.filter((tag) => !pointsAlready(known.get(tag), tagging.digest));
  const others = moved.filter((tag) => (known.get(tag)?.digest ?? digest) !== digest);
  await refuseImmutable(transaction, repository, others);
  const places = await appendChanges(
    transaction,
    changesOf(tagging, moved, { known, act }),
    act.at,
  );
  const positions = tagging.isNew ? places.slice(1) : places;
  for (const [index, tag] of moved.entries()) {
    const position = positions[index];
    if (position === undefined) break;
    await moveTag(transaction, { ...tagging, tag, position, former: known.get(tag) }, act);
  }
  const unmoved = tagging.tags.filter((tag) => !moved.includes(tag));
  if (unmoved.length === 0) return;
  await transaction
    .updateTable('tags')
    .set({ pushed_at: act.at })
    .where('repository', '=', tagging.repository.id)
    .where('name', 'in', unmoved)
    .execute();
}

export interface Removal {
  readonly repository: Repository;
  readonly tags: readonly KnownTag[];
  /** The owned manifests that go too. */
  readonly deleted?: readonly Digest[];
}

/** Deletes the tags, and tells of it. @throws as {@link tellRemoval} */
export async function removeTags(
  transaction: WriteTransaction,
  removal: Removal,
  act: Act,
): Promise<void> {
  await tellRemoval(transaction, removal, act);
  const { repository, tags } = removal;
  for (const tag of tags) {
    await transaction.deleteFrom('tags').where('id', '=', tag.id).execute();
    await remember(transaction, { repository, tag: tag.name, digest: null, former: tag }, act);
  }
}

/** In the feed: tags first, then manifests. The rows are the caller's. @throws OciError TAG_IMMUTABLE, DENIED while the node is read only */
export async function tellRemoval(
  transaction: WriteTransaction,
  { repository, tags, deleted = [] }: Removal,
  act: Act,
): Promise<void> {
  const names = tags.map(({ name }) => name);
  await refuseReadOnly(transaction);
  await refuseImmutable(transaction, repository, names);
  const place = { project: projectNameOf(repository.name), repository: repository.name };
  const changes = tags
    .filter(({ ownership }) => isOwned(ownership))
    .map((tag): Change => {
      const { digest, origin, seq } = tag;
      const previous = { digest, origin, seq };
      return { ...place, kind: 'tag-deleted', tag: tag.name, digest, previous, ...act };
    });
  const gone = deleted.map(
    (digest): Change => ({ ...place, kind: 'manifest-deleted', digest, ...act }),
  );
  await appendChanges(transaction, [...changes, ...gone], act.at);
}

/** Cached tags that point there, with their history: nobody is told of them. */
export async function forgetTags(
  transaction: WriteTransaction,
  { id: repository }: Repository,
  digest: Digest,
): Promise<void> {
  const tags = await transaction
    .deleteFrom('tags')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .where('ownership', '=', 'cache')
    .returning('name')
    .execute();
  for (const { name } of tags) {
    await transaction
      .deleteFrom('tag_history')
      .where('repository', '=', repository)
      .where('tag', '=', name)
      .execute();
  }
}

/** @returns whether the tag is new or points elsewhere now; one that is owned here, or was checked since, is left as it is */
export async function pointCachedTag(
  transaction: WriteTransaction,
  repository: Repository,
  arrival: { tag: string; digest: Digest; checkedAt: number; at: number },
): Promise<boolean> {
  const { tag, digest, checkedAt, at } = arrival;
  const former = (await tagsNamed(transaction, repository, [tag])).get(tag);
  if (former === undefined) {
    await transaction
      .insertInto('tags')
      .values({
        repository: repository.id,
        name: tag,
        digest,
        ownership: 'cache',
        pushed_at: at,
        checked_at: checkedAt,
        pulled_at: null,
        origin: null,
        seq: null,
        hlc: null,
      })
      .execute();
    return true;
  }
  if (isOwned(former.ownership)) return false;
  // What was seen before fetches late. A time that is still to come is of a clock that was set back, and says nothing.
  const seenAt = former.checked_at ?? 0;
  if (seenAt > checkedAt && seenAt <= at) return false;
  const isMoved = former.digest !== digest;
  await transaction
    .updateTable('tags')
    .set({ digest, checked_at: checkedAt, ...(isMoved ? { pushed_at: at } : {}) })
    .where('id', '=', former.id)
    .execute();
  return isMoved;
}

interface Move extends Tagging {
  readonly tag: string;
  readonly position: FeedPosition;
  readonly former: KnownTag | undefined;
}

async function moveTag(transaction: WriteTransaction, move: Move, act: Act): Promise<void> {
  const { repository, tag, digest, former, position, ownership } = move;
  const row = {
    digest,
    ownership,
    pushed_at: act.at,
    checked_at: null,
    origin: position.origin,
    seq: position.seq,
    hlc: position.hlc,
  } as const;
  if (former === undefined) {
    await transaction
      .insertInto('tags')
      .values({ ...row, repository: repository.id, name: tag, pulled_at: null })
      .execute();
  } else {
    await transaction.updateTable('tags').set(row).where('id', '=', former.id).execute();
  }
  await remember(transaction, move, act);
}

async function remember(
  transaction: WriteTransaction,
  {
    repository,
    tag,
    digest,
    former,
  }: Pick<Move, 'repository' | 'tag' | 'former'> & { digest: Digest | null },
  { actor, cause, at }: Act,
): Promise<void> {
  const previous_digest = former?.digest ?? null;
  await transaction
    .insertInto('tag_history')
    .values({ repository: repository.id, tag, digest, previous_digest, actor, cause, at })
    .execute();
}

function changesOf(
  tagging: Tagging,
  moved: readonly string[],
  { known, act }: { known: ReadonlyMap<string, KnownTag>; act: Act },
): readonly Change[] {
  const { repository, digest, manifest, isNew } = tagging;
  const { actor, cause } = act;
  const project = projectNameOf(repository.name);
  const common = { project, repository: repository.name, digest, manifest, actor, cause };
  const changes = moved.map(
    (tag): Change => ({ ...common, kind: 'tag', tag, previous: known.get(tag) }),
  );
  return isNew ? [{ ...common, kind: 'manifest' }, ...changes] : changes;
}

function pointsAlready(tag: KnownTag | undefined, digest: Digest): boolean {
  return tag !== undefined && tag.digest === digest && isOwned(tag.ownership);
}

async function tagsNamed(
  transaction: WriteTransaction,
  repository: Repository,
  names: readonly string[],
): Promise<ReadonlyMap<string, KnownTag>> {
  if (names.length === 0) return new Map();
  const rows = await transaction
    .selectFrom('tags')
    .selectAll()
    .where('repository', '=', repository.id)
    .where('name', 'in', names)
    .execute();
  return new Map(rows.map((row) => [row.name, row]));
}
