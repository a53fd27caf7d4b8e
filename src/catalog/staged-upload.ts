import type { Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import type { StagedFile } from '../storage/blob-store.ts';
import type { StagedHashes } from './staged-hashes.ts';
import { type ReceiveOptions, StagedWriter } from './staged-writer.ts';
import type { UploadSession } from './upload-rows.ts';

export interface UploadParts {
  readonly session: UploadSession;
  readonly file: StagedFile;
  readonly hashes: StagedHashes;
  /** Writes down how much is acknowledged. */
  readonly record: (received: number) => Promise<void>;
}

/** Bytes that were received and hashed, and may not be synced yet. */
interface Received {
  readonly hash: Hash;
  readonly algorithm: DigestAlgorithm;
  readonly size: number;
}

export interface LastBytes extends ReceiveOptions {
  readonly source: Readable | undefined;
  readonly algorithm: DigestAlgorithm;
}

/** One session while a request works on it. Disposing closes its file. */
export class StagedUpload implements AsyncDisposable {
  readonly session: UploadSession;
  readonly file: StagedFile;
  readonly #hashes: StagedHashes;
  readonly #record: (received: number) => Promise<void>;
  #received: number;
  #hasFailed = false;

  constructor({ session, file, hashes, record }: UploadParts) {
    this.session = session;
    this.file = file;
    this.#hashes = hashes;
    this.#record = record;
    this.#received = session.received;
  }

  /** Bytes acknowledged. */
  get received(): number {
    return this.#received;
  }

  /** The file did not keep what it was given: the session cannot go on. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /**
   * Drops what a crash left behind the acknowledged bytes.
   *
   * @throws OciError BLOB_UPLOAD_UNKNOWN where there are fewer
   */
  async align(): Promise<void> {
    const size = await this.file.size();
    if (size > this.#received) await this.file.truncate(this.#received);
    if (size >= this.#received) return;
    this.#hasFailed = true;
    throw new OciError('BLOB_UPLOAD_UNKNOWN', { detail: { id: this.session.id } });
  }

  /** Adds the source and acknowledges it, or what came of it before it broke off. */
  async receive(source: Readable, options: ReceiveOptions): Promise<void> {
    await this.#acknowledge(await this.#take(source, this.session.algorithm, options));
  }

  /** Adds the source, if any, and tells what the whole is. Nothing more is acknowledged by that. */
  async complete({
    source,
    algorithm,
    ...options
  }: LastBytes): Promise<{ digest: Digest; size: number }> {
    // Before the first byte it is still free to choose what to hash with.
    const running = this.#received === 0 ? algorithm : this.session.algorithm;
    const received =
      source === undefined
        ? await this.#begun(running)
        : await this.#take(source, running, options);
    const { size } = received;
    const hash =
      running === algorithm ? received.hash : await this.#hashes.take(this.file, algorithm, size);
    return { digest: `${algorithm}:${hash.digest('hex')}`, size };
  }

  async discard(): Promise<void> {
    this.#hashes.forget(this.session.id);
    await this.file.discard();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file[Symbol.asyncDispose]();
  }

  async #begun(algorithm: DigestAlgorithm): Promise<Received> {
    const size = this.#received;
    return { hash: await this.#hashes.take(this.file, algorithm, size), algorithm, size };
  }

  async #take(
    source: Readable,
    algorithm: DigestAlgorithm,
    options: ReceiveOptions,
  ): Promise<Received> {
    const { hash, size: position } = await this.#begun(algorithm);
    const writer = new StagedWriter(this.file, { hash, position });
    try {
      await writer.receive(source, options);
    } catch (error) {
      this.#hasFailed = writer.hasFailed;
      if (this.#hasFailed) throw error;
      if (error instanceof OciError && error.code === 'SIZE_INVALID') {
        await this.file.truncate(position);
      } else if (writer.position > position) {
        await this.#acknowledge({ hash, algorithm, size: writer.position });
      }
      throw error;
    }
    return { hash, algorithm, size: writer.position };
  }

  async #acknowledge({ hash, algorithm, size }: Received): Promise<void> {
    try {
      if (size > this.#received) await this.file.sync();
      await this.#record(size);
    } catch (error) {
      // After a sync that failed nobody knows what is on the disk (LWN 752063, "fsync() errors").
      this.#hasFailed = true;
      throw error;
    }
    this.#received = size;
    this.#hashes.keep(this.session.id, { hash, algorithm, position: size });
  }
}
