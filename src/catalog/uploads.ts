import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Database } from '../database/database.ts';
import { algorithmOf, type Digest, type DigestAlgorithm } from '../oci/digest.ts';
import { OciError, type OciErrorCode } from '../oci/error.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { StorageFull } from '../storage/errors.ts';
import { maintenanceFailed, uploadEnded, uploadStarted } from '../telemetry/channels.ts';
import type { Blobs } from './blobs.ts';
import { ensureRepository } from './repositories.ts';
import { refuseReadOnly } from './settings.ts';
import { StagedHashes } from './staged-hashes.ts';
import { type LastBytes, StagedUpload } from './staged-upload.ts';
import type { ReceiveOptions } from './staged-writer.ts';
import {
  deleteUpload,
  findUpload,
  recordReceived,
  type UploadSession,
  uploadsIdleSince,
} from './upload-rows.ts';
import { UploadTurns } from './upload-turns.ts';

export interface UploadsOptions {
  readonly database: Database;
  readonly store: Pick<BlobStore, 'stage'>;
  readonly blobs: Pick<Blobs, 'keep'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

/** A session belongs to whoever opened it. */
export interface UploadKey {
  readonly id: string;
  /** The caller's name. */
  readonly caller: string;
}

export interface AppendOptions extends ReceiveOptions {
  /** Where the client says that its bytes go: where the session ends, or they are refused. */
  readonly start?: number | undefined;
}

export interface FinalContent {
  readonly digest: Digest;
  /** The last bytes, where there are more. */
  readonly source: Readable | undefined;
}

type Outcome = 'finished' | 'cancelled' | 'expired' | 'failed';

/**
 * Unfinished pushes of blobs: a row that says how much was acknowledged, and a staged file that has at least that.
 * Both survive a restart. Every method that takes a key throws OciError BLOB_UPLOAD_UNKNOWN where the session is not
 * there, or is another repository's or caller's, or goes meanwhile with its repository.
 */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #hashes = new StagedHashes();
  readonly #turns = new UploadTurns();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** @throws OciError NAME_UNKNOWN (no such project), STORAGE_FULL, DENIED while the node is read only */
  async start(
    repository: string,
    { caller, algorithm }: { readonly caller: string; readonly algorithm: DigestAlgorithm },
  ): Promise<{ readonly id: string }> {
    const { database, now } = this.#options;
    const id = randomUUID();
    await database.write(async (transaction) => {
      await refuseReadOnly(transaction);
      const at = now();
      const { id: row } = await ensureRepository(transaction, repository, at);
      const session = { id, repository: row, caller, algorithm, received: 0 };
      await transaction
        .insertInto('uploads')
        .values({ ...session, started_at: at, updated_at: at })
        .execute();
    });
    if (uploadStarted.hasSubscribers) uploadStarted.publish({ repository, upload: id });
    return { id };
  }

  /** Bytes acknowledged. What a request brings that is still running does not count. */
  async status(repository: string, key: UploadKey): Promise<{ readonly received: number }> {
    await this.#turns.settled(key.id);
    const { received } = await this.#find(repository, key);
    return { received };
  }

  /**
   * Adds the source's bytes; once it resolves they survive a power cut. When the source breaks off, or the signal
   * aborts, what had come is kept all the same, and the failure is passed on.
   *
   * @throws OciError RANGE_INVALID with `{ received }` as detail, SIZE_INVALID when the source is not `length` bytes (both
   *   leave the session as it was), BLOB_UPLOAD_INVALID while another request is sending, STORAGE_FULL, which ends the session
   */
  async append(
    repository: string,
    key: UploadKey,
    source: Readable,
    { signal, ...options }: AppendOptions,
  ): Promise<{ readonly received: number }> {
    return this.#turns.during(key.id, { source, signal }, async (turn) => {
      await using upload = await this.#open(repository, key, options);
      await this.#ending(upload, () => upload.receive(source, { ...options, signal: turn }));
      return { received: upload.received };
    });
  }

  /**
   * Adds the last bytes, if any, and makes a blob of the session.
   *
   * @throws as `append`, and OciError DIGEST_INVALID, or DENIED over the project's limit, which end the session
   */
  async finish(
    repository: string,
    key: UploadKey,
    { digest, source }: FinalContent,
    { signal, ...options }: AppendOptions,
  ): Promise<{ readonly size: number }> {
    return this.#turns.during(key.id, { source, signal }, async (turn) => {
      await using upload = await this.#open(repository, key, options);
      const last = { source, algorithm: algorithmOf(digest), ...options, signal: turn };
      const size = await this.#ending(upload, () => this.#keep(upload, digest, last));
      this.#over(upload.session, 'finished', size);
      return { size };
    });
  }

  /** Ends a request that is sending, too. */
  async cancel(repository: string, key: UploadKey): Promise<void> {
    await this.#find(repository, key);
    await this.#turns.stop(key.id, unknown(key.id));
    await this.#turns.during(key.id, NOBODY, async () => {
      await using upload = await this.#open(repository, key, {});
      await this.#remove(upload);
      this.#over(upload.session, 'cancelled', upload.received);
    });
  }

  /** Removes the sessions that nobody added to since that time (milliseconds UTC); what cannot be removed is told. @returns how many */
  async expire(before: number): Promise<number> {
    let expired = 0;
    for (const { id } of await uploadsIdleSince(this.#options.database.read, before)) {
      if (this.#turns.isTaken(id)) continue;
      try {
        const wasIdle = await this.#turns.during(id, NOBODY, () => this.#expireOne(id, before));
        if (wasIdle) expired += 1;
      } catch (error) {
        if (maintenanceFailed.hasSubscribers) {
          maintenanceFailed.publish({ work: 'upload expiry', error });
        }
      }
    }
    return expired;
  }

  async #expireOne(id: string, before: number): Promise<boolean> {
    const session = await findUpload(this.#options.database.read, id);
    if (session === undefined || session.updatedAt >= before) return false;
    await using upload = await this.#stage(session);
    await this.#remove(upload);
    this.#over(session, 'expired', session.received);
    return true;
  }

  async #keep(upload: StagedUpload, digest: Digest, last: LastBytes): Promise<number> {
    const found = await upload.complete(last);
    if (found.digest !== digest) {
      throw new OciError('DIGEST_INVALID', { detail: { expected: digest, digest: found.digest } });
    }
    const { id, repository } = upload.session;
    const blob = { digest, size: found.size, repository, ownership: 'origin' } as const;
    await this.#options.blobs.keep(upload.file, blob, {
      async alongside(transaction) {
        // Without it the repository would be made anew, for a push that was taken away with the old one.
        if (!(await deleteUpload(transaction, id))) throw unknown(id);
      },
    });
    return found.size;
  }

  async #find(repository: string, { id, caller }: UploadKey): Promise<UploadSession> {
    const session = await findUpload(this.#options.database.read, id);
    if (session?.repository === repository && session.caller === caller) return session;
    throw unknown(id);
  }

  async #open(
    repository: string,
    key: UploadKey,
    { start }: { readonly start?: number | undefined },
  ): Promise<StagedUpload> {
    const session = await this.#find(repository, key);
    const { received } = session;
    if (start !== undefined && start !== received) {
      throw new OciError('RANGE_INVALID', { detail: { received } });
    }
    const upload = await this.#stage(session);
    try {
      await this.#ending(upload, () => upload.align());
    } catch (error) {
      await upload[Symbol.asyncDispose]();
      throw error;
    }
    return upload;
  }

  async #stage(session: UploadSession): Promise<StagedUpload> {
    const { database, store, now } = this.#options;
    const { id } = session;
    const record = async (received: number): Promise<void> => {
      const isThere = await database.write((transaction) =>
        recordReceived(transaction, { id, received, at: now() }),
      );
      if (!isThere) throw unknown(id);
    };
    const file = await store.stage(id).catch(refused);
    return new StagedUpload({ session, file, hashes: this.#hashes, record });
  }

  /** What a session does not survive takes it away. */
  async #ending<T>(upload: StagedUpload, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (upload.hasFailed || isFatal(error)) await this.#abandon(upload);
      return refused(error);
    }
  }

  async #abandon(upload: StagedUpload): Promise<void> {
    try {
      await this.#remove(upload);
    } catch (error) {
      // The client has to hear of the first failure. A row that stays behind goes with the next start.
      if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work: 'upload', error });
    }
    this.#over(upload.session, 'failed', upload.received);
  }

  /** File first: on a full disk that makes the room to delete the row. */
  async #remove(upload: StagedUpload): Promise<void> {
    await upload.discard();
    await this.#options.database.write((transaction) =>
      deleteUpload(transaction, upload.session.id),
    );
  }

  #over({ id, repository }: UploadSession, outcome: Outcome, receivedBytes: number): void {
    if (!uploadEnded.hasSubscribers) return;
    uploadEnded.publish({ repository, upload: id, outcome, receivedBytes });
  }
}

export function createUploads(options: UploadsOptions): Uploads {
  return new Uploads(options);
}

/** Whose turn it is when no request sends anything. */
const NOBODY = { source: undefined, signal: new AbortController().signal };

function unknown(id: string): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', { detail: { id } });
}

const FATAL = new Set<OciErrorCode>(['DIGEST_INVALID', 'STORAGE_FULL', 'DENIED']);

function isFatal(error: unknown): boolean {
  if (error instanceof StorageFull) return true;
  return error instanceof OciError && FATAL.has(error.code);
}

/** @throws what it is given, in the words of the client's protocol where it has one */
function refused(error: unknown): never {
  if (error instanceof StorageFull) throw new OciError('STORAGE_FULL', { cause: error });
  throw error;
}
