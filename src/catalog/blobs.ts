import type { Database, WriteTransaction } from '../database/database.ts';
import type { Ownership } from '../database/tables.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { BlobStore, StagedFile } from '../storage/blob-store.ts';
import type { AccessTimes } from './access-times.ts';
import { type Collected, collectBlobs } from './blob-collection.ts';
import { type ReleasedContent, releaseUnreferenced } from './blob-release.ts';
import {
  announceBlob,
  describedSize,
  findLinked,
  heldByProject,
  linkBlob,
  linkedBlob,
  unlinkBlob,
} from './blob-rows.ts';
import { sweepBlobs } from './blob-sweep.ts';
import { DigestLocks } from './digest-locks.ts';
import { refuseHeldByTag } from './held-content.ts';
import { KnownBlobs } from './known-blobs.ts';
import { requireRoom } from './project-contents.ts';
import { ensureRepository, requireRepository } from './repositories.ts';
import { refuseReadOnly } from './settings.ts';

export interface BlobsOptions {
  readonly database: Database;
  readonly store: BlobStore;
  readonly accessTimes: Pick<AccessTimes, 'blobRead' | 'isUnwritten'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long condemned bytes wait for somebody who still wants them. */
  readonly graceMs?: number;
  /** Whether another process is copying the metadata and then the blobs that they name. */
  readonly isBeingCopied?: () => boolean;
}

/** A blob whose bytes lie in a staged file, their size and digest verified by the caller. */
export interface StagedBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** The repository that gets it, made if it is not there. */
  readonly repository: string;
  readonly ownership: Ownership;
  /** The row id that its project must have, where another may have been made by its name. */
  readonly project?: number | undefined;
}

export interface KeepOptions {
  /** What becomes true together with the blob: its upload or fill row goes. */
  readonly alongside?: ((transaction: WriteTransaction) => Promise<unknown>) | undefined;
}

/** The blobs of this node's repositories, by canonical name. Bytes are kept once; who has them is per repository. */
export interface Blobs {
  /** A blob of this repository, and that somebody asked for it. One that was condemned is not any more. Answered from memory while nothing was committed. */
  find(repository: string, digest: Digest): Promise<{ readonly size: number } | undefined>;
  /** Some repository of these projects that has the blob. */
  findIn(projects: readonly string[], digest: Digest): Promise<string | undefined>;
  /**
   * Commits the file and puts the blob into the repository. A crash on the way leaves the former state, or bytes that
   * the collection takes away. Keeping what is there already is fine.
   *
   * @throws StorageFull, OciError NAME_UNKNOWN (no such project), STORAGE_FULL, DENIED over the project's limit
   */
  keep(staged: StagedFile, blob: StagedBlob, options?: KeepOptions): Promise<void>;
  /**
   * Puts bytes that are here into one more repository; `project` as in {@link StagedBlob}.
   *
   * @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN (no such project)
   */
  link(
    repository: string,
    digest: Digest,
    ownership: Ownership,
    options?: { readonly project?: number | undefined },
  ): Promise<void>;
  /** The same for a client's mount. @returns false where `from` does not have it, and then nothing happened @throws OciError DENIED over the project's limit */
  mount(repository: string, digest: Digest, from: string): Promise<boolean>;
  /** With its last repository the blob is condemned. @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN */
  unlink(repository: string, digest: Digest): Promise<void>;
  /** Bytes, as a manifest of this repository says, whether the blob is here or not. */
  describedSize(repository: string, digest: Digest): Promise<number | undefined>;
  /** Whether a repository of the project has it, as a blob or as a manifest. */
  heldByProject(project: number, digest: Digest): Promise<boolean>;
  /** Somebody read it. */
  touch(digest: Digest): void;
  /**
   * Takes away the bytes that have been condemned for the grace period and that nobody wanted since, none while the data
   * are being copied. A grace period given here says that room is needed at once, copy or not.
   */
  collect(options?: { readonly graceMs?: number }): Promise<Collected>;
  /**
   * Takes blobs, pushed ones unless told otherwise, out of repositories where no manifest refers to them, if they neither came
   * nor were asked for since that time (milliseconds UTC): what abandoned pushes, deleted and evicted manifests leave behind.
   * Aborting ends it early.
   *
   * @returns how many
   */
  releaseUnreferenced(
    before: number,
    options?: { readonly content?: ReleasedContent; readonly signal?: AbortSignal },
  ): Promise<number>;
  /** Condemns stored bytes that no row knows, as crashes leave them. Reads every name in the store. Aborting ends it early. @returns how many */
  sweep(options?: { readonly signal?: AbortSignal }): Promise<number>;
}

const GRACE_MS = 60 * 60 * 1000;

export function createBlobs(options: BlobsOptions): Blobs {
  const { database, store, accessTimes, now, graceMs = GRACE_MS } = options;
  const { isBeingCopied = () => false } = options;
  const locks = new DigestLocks();
  const known = new KnownBlobs(database);
  return {
    async find(repository, digest) {
      const found = await known.find(repository, digest);
      if (found !== undefined) accessTimes.blobRead(digest);
      return found;
    },
    findIn: (projects, digest) => findLinked(database.read, projects, digest),
    describedSize: (repository, digest) => describedSize(database.read, repository, digest),
    heldByProject: (project, digest) => heldByProject(database.read, project, digest),
    touch: (digest) => accessTimes.blobRead(digest),

    keep: (staged, blob, { alongside } = {}) =>
      locks.holding(blob.digest, () => commitBlob({ database, now }, { staged, blob, alongside })),

    async link(name, digest, ownership, { project } = {}) {
      await database.write(async (transaction) => {
        const at = now();
        const repository = await ensureRepository(transaction, name, at, project);
        const isLinked = await linkBlob(transaction, repository, { digest, ownership, at });
        if (!isLinked) throw new OciError('BLOB_UNKNOWN', { detail: digest });
      });
    },

    async mount(name, digest, from) {
      return database.write(async (transaction) => {
        await refuseReadOnly(transaction);
        if ((await linkedBlob(transaction, from, digest)) === undefined) return false;
        const at = now();
        const repository = await ensureRepository(transaction, name, at);
        return linkBlob(transaction, repository, { digest, ownership: 'origin', at });
      });
    },

    async unlink(name, digest) {
      await database.write(async (transaction) => {
        await refuseReadOnly(transaction);
        const repository = await requireRepository(transaction, name);
        await refuseHeldByTag(transaction, repository, digest);
        const wasLinked = await unlinkBlob(transaction, repository, { digest, at: now() });
        if (!wasLinked) throw new OciError('BLOB_UNKNOWN', { detail: digest });
      });
    },

    collect: ({ graceMs: given } = {}) =>
      collectBlobs(
        { database, store, locks, mustWait: given === undefined ? isBeingCopied : () => false },
        now() - (given ?? graceMs),
      ),

    releaseUnreferenced: (before, { content = 'owned', signal } = {}) =>
      releaseUnreferenced({ database, accessTimes, now }, { content, before, signal }),

    sweep: ({ signal } = {}) => sweepBlobs({ database, store, locks, now }, { signal }),
  };
}

/** The caller holds the digest. */
async function commitBlob(
  { database, now }: Pick<BlobsOptions, 'database' | 'now'>,
  { staged, blob, alongside }: KeepOptions & { staged: StagedFile; blob: StagedBlob },
): Promise<void> {
  await database.write(async (transaction) => {
    await requireRoom(transaction, blob.repository, blob);
    await announceBlob(transaction, { ...blob, at: now() });
  });
  await staged.commit(blob.digest);
  await database.write(async (transaction) => {
    await linkKept(transaction, blob, now());
    await alongside?.(transaction);
  });
}

async function linkKept(
  transaction: WriteTransaction,
  { digest, ownership, ...blob }: StagedBlob,
  at: number,
): Promise<void> {
  const repository = await ensureRepository(transaction, blob.repository, at, blob.project);
  const isLinked = await linkBlob(transaction, repository, { digest, ownership, at });
  // Never acknowledged without a row: whatever took it away, the client has to hear of it.
  if (!isLinked) throw new Error(`the row of ${digest} went away while it was kept`);
}
