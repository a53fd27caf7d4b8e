/** What policies copy into this node's repositories, and what they have to know of what is there. */
import type { ExpressionBuilder } from 'kysely';
import { artifactEntry, tagEntry } from '../audit/artifact-events.ts';
import { writeAudit } from '../audit/audit.ts';
import { batchesOf } from '../database/batches.ts';
import type { Database, Queries, WriteTransaction } from '../database/database.ts';
import type { ReferenceMode, Tables } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { Reference } from '../oci/reference.ts';
import { keepOwned } from './owned-manifests.ts';
import { ensureRepository, requireRepository } from './repositories.ts';
import { type Act, removeTags } from './tag-rows.ts';

/** Which execution does it, for the history, the feed and the audit log. */
export interface CopyingAct {
  readonly execution: number;
  /** As people call it. */
  readonly policy: string;
}

export interface ReplicaManifest extends CopyingAct {
  readonly manifest: Manifest;
  /** Tags to put on it. */
  readonly tags: readonly string[];
  /** `sparse` where a rule leaves children of an index out. */
  readonly references: ReferenceMode;
}

/** A tag or a manifest as a copy finds it. */
export interface HeldManifest {
  readonly digest: Digest;
  /** Whether all that it needs is here, down to the manifests that an index lists. */
  readonly isWhole: boolean;
}

export interface HeldTag extends HeldManifest {
  readonly name: string;
  /** Milliseconds UTC. */
  readonly pushedAt: number;
  readonly labels: readonly string[];
  /** Whether somebody pushed it here. */
  readonly isForeign: boolean;
}

export interface HeldTagPage {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly withCached?: boolean;
}

export interface RemovedTag {
  readonly tag: string;
  /** It goes only where it is that, and nobody pushed it there; undefined: whatever it is. */
  readonly expected: Digest | undefined;
}

/** What became of a tag that was to go. */
export type TagRemoval = 'removed' | 'not there' | 'another one';

export interface Replicas {
  /** Of the tag or digest; undefined where it is not here, or only cached. */
  held(repository: string, reference: Reference): Promise<HeldManifest | undefined>;
  /** Tags after that one in byte order; cached ones only where they are asked for. Empty where there is no such repository. */
  heldTags(repository: string, page: HeldTagPage): Promise<readonly HeldTag[]>;
  /** Of a manifest that is here, cached or not. */
  labels(repository: string, digest: Digest): Promise<readonly string[]>;
  /** Those that the repository lacks as blobs. */
  missingBlobs(repository: string, digests: readonly Digest[]): Promise<readonly Digest[]>;
  /**
   * As `Manifests.put`, for content that is copied: `replica`, and told as the execution's doing.
   *
   * @throws OciError as `Manifests.put`
   */
  put(repository: string, replica: ReplicaManifest): Promise<void>;
  /** @throws OciError TAG_IMMUTABLE */
  removeTag(repository: string, removed: RemovedTag, act: CopyingAct): Promise<TagRemoval>;
}

export interface ReplicasOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export function createReplicas({ database, now }: ReplicasOptions): Replicas {
  return {
    async held(repository, reference) {
      const row = await (reference.kind === 'tag'
        ? tagRows(database.read, repository)
            .where('tags.name', '=', reference.tag)
            .where('tags.ownership', '!=', 'cache')
        : manifestRows(database.read, repository)
            .where('manifests.digest', '=', reference.digest)
            .where('manifests.ownership', '!=', 'cache')
      ).executeTakeFirst();
      return row === undefined ? undefined : { digest: row.digest, isWhole: isWhole(row) };
    },

    heldTags: (repository, page) => heldTags(database.read, repository, page),

    async labels(repository, digest) {
      const row = await manifestRows(database.read, repository)
        .where('manifests.digest', '=', digest)
        .executeTakeFirst();
      if (row === undefined) return [];
      return (await labelsOf(database.read, [row.id])).get(row.id) ?? [];
    },

    async missingBlobs(repository, digests) {
      const missing: Digest[] = [];
      for (const batch of batchesOf([...new Set(digests)])) {
        const found = await database.read
          .selectFrom('blob_links')
          .innerJoin('repositories', 'repositories.id', 'blob_links.repository')
          .select('blob_links.digest')
          .where('repositories.name', '=', repository)
          .where('blob_links.digest', 'in', batch)
          .execute();
        const here = new Set(found.map(({ digest }) => digest));
        missing.push(...batch.filter((digest) => !here.has(digest)));
      }
      return missing;
    },

    async put(name, { manifest, tags, references, ...by }) {
      const { bytes, descriptor } = manifest;
      const { digest } = descriptor;
      const parsed = parseManifest(bytes, descriptor.mediaType);
      await database.write(async (transaction) => {
        const act = actOf(by, now());
        const repository = await ensureRepository(transaction, name, act.at);
        const owned = { digest, bytes, parsed, tags, references, ownership: 'replica' } as const;
        await keepOwned(transaction, repository, owned, act);
        const { project } = repository;
        const artifact = { repository: name, project, digest, tag: tags[0] };
        await writeAudit(transaction, artifactEntry('create', artifact, doneBy(act)));
      });
    },

    removeTag: (name, removed, by) =>
      database.write((transaction) =>
        removeTag(transaction, { ...removed, name }, actOf(by, now())),
      ),
  };
}

async function removeTag(
  transaction: WriteTransaction,
  { name, tag, expected }: RemovedTag & { readonly name: string },
  act: Act,
): Promise<TagRemoval> {
  const repository = await requireRepository(transaction, name);
  const tags = await transaction
    .selectFrom('tags')
    .selectAll()
    .where('repository', '=', repository.id)
    .where('name', '=', tag)
    .execute();
  const [found] = tags;
  if (found === undefined) return 'not there';
  const isExpected = found.digest === expected && found.ownership !== 'origin';
  if (expected !== undefined && !isExpected) return 'another one';
  await removeTags(transaction, { repository, tags }, act);
  const { project } = repository;
  const entry = tagEntry('delete', { repository: name, project, tag }, doneBy(act));
  await writeAudit(transaction, entry);
  return 'removed';
}

async function heldTags(
  queries: Queries,
  repository: string,
  { after, limit, withCached = false }: HeldTagPage,
): Promise<readonly HeldTag[]> {
  const all = tagRows(queries, repository).orderBy('tags.name').limit(limit);
  let query = withCached ? all : all.where('tags.ownership', '!=', 'cache');
  if (after !== undefined) query = query.where('tags.name', '>', after);
  const rows = await query.execute();
  const labels = await labelsOf(
    queries,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => ({
    name: row.name,
    digest: row.digest,
    isWhole: isWhole(row),
    pushedAt: row.pushed_at,
    labels: labels.get(row.id) ?? [],
    isForeign: row.ownership === 'origin',
  }));
}

function actOf({ execution, policy }: CopyingAct, at: number): Act {
  return { actor: `replication:${policy}`, cause: `replication:${execution}`, at };
}

function doneBy({ actor, at }: Act) {
  return { actor: { name: actor, address: '' }, at };
}

/** Indexes below an index are taken as whole: the copy that brought them was. */
function isWhole({ complete, lacking }: { complete: number; lacking: number }): boolean {
  return complete === 1 && lacking === 0;
}

function manifestRows(queries: Queries, repository: string) {
  return queries
    .selectFrom('repositories')
    .innerJoin('manifests', 'manifests.repository', 'repositories.id')
    .select(['manifests.id', 'manifests.digest', 'manifests.complete'])
    .select((is) =>
      is
        .case()
        .when(is.exists(lackingChild(is)))
        .then(1)
        .else(0)
        .end()
        .as('lacking'),
    )
    .where('repositories.name', '=', repository);
}

function lackingChild(is: ExpressionBuilder<Tables, 'manifests'>) {
  return is
    .selectFrom('manifest_references')
    .innerJoin('manifests as children', 'children.digest', 'manifest_references.digest')
    .select('children.id')
    .whereRef('manifest_references.manifest', '=', 'manifests.id')
    .where('manifest_references.kind', '=', 'manifest')
    .whereRef('children.repository', '=', 'manifests.repository')
    .where('children.complete', '=', 0);
}

function tagRows(queries: Queries, repository: string) {
  return manifestRows(queries, repository)
    .innerJoin('tags', (join) =>
      join
        .onRef('tags.repository', '=', 'repositories.id')
        .onRef('tags.digest', '=', 'manifests.digest'),
    )
    .select(['tags.name', 'tags.pushed_at', 'tags.ownership']);
}

async function labelsOf(
  queries: Queries,
  manifests: readonly number[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const labels = new Map<number, string[]>();
  for (const batch of batchesOf([...new Set(manifests)])) {
    const rows = await queries
      .selectFrom('manifest_labels')
      .innerJoin('labels', 'labels.id', 'manifest_labels.label')
      .select(['manifest_labels.manifest', 'labels.name'])
      .where('manifest_labels.manifest', 'in', batch)
      .execute();
    for (const { manifest, name } of rows)
      labels.set(manifest, [...(labels.get(manifest) ?? []), name]);
  }
  return labels;
}
