import type { Digest } from '../oci/digest.ts';
import type { BlobStore, StagedFile } from '../storage/blob-store.ts';
import { Checkpoints } from './checkpoints.ts';
import type { FillRecord, FillRecords } from './fill-records.ts';
import { GrowingFile } from './growing-file.ts';
import { clippedTo } from './intervals.ts';
import { RunningDigest } from './running-digest.ts';

/** What a fill has of its blob: the staged file, its row, and the digest of what is there so far. */
export class FillContent {
  readonly file: GrowingFile;
  readonly #store: BlobStore;
  readonly #record: FillRecord;
  readonly #digest: RunningDigest;
  readonly #checkpoints: Checkpoints;
  #opening: Promise<void> | undefined;
  #mayBeStaged: boolean;

  /** `isRecorded`: the record is in the database, and its staged file may be on disk. */
  constructor(
    record: FillRecord,
    parts: {
      readonly store: BlobStore;
      readonly records: FillRecords;
      readonly now: () => number;
      readonly isRecorded: boolean;
    },
  ) {
    this.#record = record;
    this.#store = parts.store;
    this.#mayBeStaged = parts.isRecorded;
    this.file = new GrowingFile(record.size, record.intervals);
    this.#digest = new RunningDigest(record.digest, this.file);
    this.#checkpoints = new Checkpoints(record, { ...parts, file: this.file });
  }

  /** Makes the row, in the background. */
  begin(): void {
    this.#checkpoints.begin();
  }

  /** Opens the staged file, once. @throws StorageFull */
  async open(): Promise<StagedFile> {
    if (!this.file.isOpen) {
      this.#opening ??= this.#open();
      await this.#opening;
    }
    return this.file.staged;
  }

  /** Writes bytes that are missing. @throws StorageFull */
  async put(chunk: Uint8Array, position: number): Promise<void> {
    if (!this.file.isOpen) await this.open();
    const written = this.file.put(chunk, position);
    this.#digest.passing(chunk, position);
    await written;
    this.#digest.follow();
    this.#checkpoints.arrived(chunk.length);
  }

  /** Whether the whole file is the blob; once only. @throws StorageFull */
  async agrees(): Promise<boolean> {
    await this.open();
    const digest: Digest = await this.#digest.finish();
    return digest === this.#record.digest;
  }

  /** Nothing reads or writes it in the background afterwards, and what is there is written down. @throws StorageFull */
  async rest(): Promise<void> {
    await this.#digest.pause();
    if (this.file.isOpen) await this.#checkpoints.flush();
  }

  /** Removes the row. */
  async forget(): Promise<void> {
    await this.#checkpoints.finish();
  }

  /** Removes the staged file, and then the row, whatever became of the file. Readers that hold it go on until it is closed. */
  async discard(): Promise<void> {
    await this.#digest.pause().catch(() => {}); // It is thrown away whether or not it could be read back.
    try {
      if (this.#mayBeStaged) await (await this.open()).discard();
    } finally {
      await this.forget();
    }
  }

  /** Closes the staged file; it is opened again where that is needed. */
  async close(): Promise<void> {
    this.#opening = undefined;
    await this.file.detach();
  }

  async #open(): Promise<void> {
    this.#mayBeStaged = true;
    const staged = await this.#store.stage(this.#record.staged);
    // A row may claim more than is left where a disk lied when it was asked to sync.
    this.file.attach(staged, clippedTo(this.file.present, await staged.size()));
    this.#digest.follow();
  }
}
