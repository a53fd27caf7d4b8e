import { artifactEntry } from '../audit/artifact-events.ts';
import { type Actor, writeAudit } from '../audit/audit.ts';
import type { Database, WriteTransaction } from '../database/database.ts';
import type { ReferenceMode } from '../database/tables.ts';
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { type Manifest, type ParsedManifest, parseManifest } from '../oci/manifest.ts';
import { isTag, type Reference } from '../oci/reference.ts';
import { manifestDeleted, manifestPushed } from '../telemetry/channels.ts';
import { projectOf } from './artifact-wholes.ts';
import { FoundManifests, type StoredManifest } from './found-manifests.ts';
import { hasParent } from './held-content.ts';
import { storeManifest } from './manifest-rows.ts';
import { keepOwned, removeManifest } from './owned-manifests.ts';
import { ensureRepository, type Repository, requireRepository } from './repositories.ts';
import { pointCachedTag } from './tag-rows.ts';

export interface ManifestsOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** Manifests are kept in memory up to this much. Bytes. */
  readonly memoryBytes?: number;
}

export interface PushedManifest {
  /** Exactly as the client sent them. */
  readonly bytes: Uint8Array;
  readonly contentType: string | undefined;
  /** The tag or the digest that it is pushed as. */
  readonly reference: Reference;
  /** More tags to put on it. */
  readonly tags: readonly string[];
  readonly actor: Actor;
  readonly references: ReferenceMode;
}

export interface PushResult {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
  /** The additional tags that were put on it. */
  readonly tags: readonly string[];
}

export interface ArrivedManifest {
  /** Its bytes compared with its digest. */
  readonly manifest: Manifest;
  readonly parsed: ParsedManifest;
  /** What upstream has it as. */
  readonly tag?: string | undefined;
  /** When upstream said so. Milliseconds UTC. */
  readonly checkedAt: number;
  /** The row id that the repository's project must have, where another may have been made by its name. */
  readonly project?: number | undefined;
}

/** The manifests of this node's repositories, by canonical name. */
export interface Manifests {
  /** Answered from memory while nothing was committed, with the same object. */
  find(repository: string, reference: Reference): Promise<StoredManifest | undefined>;
  /**
   * Keeps what a client pushed: bytes, references, tags, history, feed and audit in one transaction. What is there already
   * changes only its push time, and cannot become another media type; nothing else of the repository is touched. Missing
   * content of a `sparse` project is accepted and the manifest marked incomplete.
   *
   * @throws OciError MANIFEST_INVALID, DIGEST_INVALID, TAG_INVALID, NAME_UNKNOWN (no such project), MANIFEST_BLOB_UNKNOWN
   *   with `{ missing: Digest[] }` as detail, STORAGE_FULL, TAG_IMMUTABLE, DENIED over the project's limit
   */
  put(repository: string, pushed: PushedManifest): Promise<PushResult>;
  /**
   * Keeps what upstream answered, evictable and not in the feed. Owned content stays as it is, its tags included.
   *
   * @throws OciError NAME_UNKNOWN (no such project)
   */
  arrive(repository: string, arrived: ArrivedManifest): Promise<StoredManifest>;
  /**
   * Takes it and all tags on it out of the repository.
   *
   * @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN, TAG_IMMUTABLE, DENIED while an index lists it, in a strict project
   */
  remove(repository: string, digest: Digest, actor: Actor): Promise<void>;
}

const MEMORY_BYTES = 64 * 1024 * 1024;

export function createManifests(options: ManifestsOptions): Manifests {
  const { database, now, memoryBytes = MEMORY_BYTES } = options;
  const found = new FoundManifests(database, { memoryBytes });
  return {
    find: (repository, reference) => found.find(repository, reference),

    async put(repository, pushed) {
      const { bytes, reference, actor } = pushed;
      const digest = verifiedDigest(bytes, reference);
      const parsed = parseManifest(bytes, pushed.contentType);
      const tags = tagsOf(pushed);
      await database.write(async (transaction) => {
        const at = now();
        const target = await ensureRepository(transaction, repository, at);
        const { references } = pushed;
        const manifest = { digest, bytes, parsed, tags, references, ownership: 'origin' } as const;
        await keepOwned(transaction, target, manifest, { actor: actor.name, cause: 'push', at });
        const { project } = target;
        const artifact = { repository, project, digest, tag: tags[0] };
        await writeAudit(transaction, artifactEntry('create', artifact, { actor, at }));
      });
      if (manifestPushed.hasSubscribers) {
        manifestPushed.publish({ repository, digest, tags, caller: actor.name });
      }
      return { digest, subject: parsed.subject?.digest, tags: pushed.tags };
    },

    async arrive(repository, arrived) {
      const { digest } = arrived.manifest.descriptor;
      const { tag } = arrived;
      await database.write((transaction) =>
        keepArrived(transaction, repository, { ...arrived, at: now() }),
      );
      const byTag =
        tag === undefined ? undefined : await found.find(repository, { kind: 'tag', tag });
      if (byTag?.digest === digest) return byTag;
      const byDigest = await found.find(repository, { kind: 'digest', digest });
      if (byDigest === undefined) throw new OciError('MANIFEST_UNKNOWN', { detail: digest });
      return byDigest;
    },

    async remove(repository, digest, actor) {
      await database.write(async (transaction) => {
        const from = await requireRepository(transaction, repository);
        await refuseChild(transaction, from, digest);
        const { project } = from;
        const at = now();
        await removeManifest(transaction, from, digest, { actor: actor.name, cause: 'api', at });
        const artifact = { repository, project, digest };
        await writeAudit(transaction, artifactEntry('delete', artifact, { actor, at }));
      });
      if (manifestDeleted.hasSubscribers) {
        manifestDeleted.publish({ repository, digest, caller: actor.name });
      }
    },
  };
}

/** Where an index may lack what it lists, it may lose it. @throws OciError DENIED */
async function refuseChild(
  transaction: WriteTransaction,
  repository: Repository,
  digest: Digest,
): Promise<void> {
  const { references } = await projectOf(transaction, repository.name);
  if (references === 'sparse' || !(await hasParent(transaction, repository, digest))) return;
  const message = 'an index of this repository lists it: delete that first';
  throw new OciError('DENIED', { message, detail: digest });
}

async function keepArrived(
  transaction: WriteTransaction,
  name: string,
  arrived: ArrivedManifest & { readonly at: number },
): Promise<void> {
  const { manifest, parsed, tag, checkedAt, project, at } = arrived;
  const { digest } = manifest.descriptor;
  const repository = await ensureRepository(transaction, name, at, project);
  const { former } = await storeManifest(transaction, repository, {
    digest,
    bytes: manifest.bytes,
    parsed,
    ownership: 'cache',
    actor: '',
    at,
  });
  const isMoved =
    tag !== undefined &&
    (await pointCachedTag(transaction, repository, { tag, digest, checkedAt, at }));
  if (former !== undefined && !isMoved) return;
  await transaction
    .insertInto('arrivals')
    .values({ project: repository.project, repository: name, tag: tag ?? null, digest, at })
    .execute();
}

/** @throws OciError DIGEST_INVALID */
function verifiedDigest(bytes: Uint8Array, reference: Reference): Digest {
  if (reference.kind === 'tag') return digestOf(bytes);
  const digest = digestOf(bytes, algorithmOf(reference.digest));
  if (digest === reference.digest) return digest;
  throw new OciError('DIGEST_INVALID', { detail: { expected: reference.digest, digest } });
}

/** Each once. @throws OciError TAG_INVALID */
function tagsOf({ reference, tags }: PushedManifest): readonly string[] {
  const all = new Set(reference.kind === 'tag' ? [reference.tag, ...tags] : tags);
  for (const tag of all) if (!isTag(tag)) throw new OciError('TAG_INVALID', { detail: tag });
  return [...all];
}
