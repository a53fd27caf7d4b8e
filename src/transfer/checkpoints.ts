import { maintenanceFailed } from '../telemetry/channels.ts';
import { BATCH_BYTES } from './batches.ts';
import type { FillRecord, FillRecords } from './fill-records.ts';
import type { GrowingFile } from './growing-file.ts';

/** What a power cut may cost a fill: whichever of the two is reached first. */
const CHECKPOINT_BYTES = 16 * 1024 * 1024;
const CHECKPOINT_MS = 1000;

/**
 * Writes down how far a fill is, so that another process can go on from there. A row claims only what was synced
 * before. One that cannot be written is a fact to report, not a reason to stop: the next one is due within a second.
 */
export class Checkpoints {
  readonly #file: GrowingFile;
  readonly #records: FillRecords;
  readonly #now: () => number;
  readonly #record: FillRecord;
  #isRecorded: boolean;
  #unrecordedBytes = 0;
  #recordedAt: number;
  #writing: Promise<void> | undefined;
  #failure: Error | undefined;

  constructor(
    record: FillRecord,
    parts: { file: GrowingFile; records: FillRecords; now: () => number; isRecorded: boolean },
  ) {
    this.#record = record;
    this.#file = parts.file;
    this.#records = parts.records;
    this.#now = parts.now;
    this.#isRecorded = parts.isRecorded;
    this.#recordedAt = parts.now();
  }

  /**
   * Makes the row, in the background: the first bytes do not wait for it. What comes in one piece is here whole or not at
   * all, and has none, unless it takes as long as until a checkpoint is due.
   */
  begin(): void {
    const isOnePiece = this.#record.size <= BATCH_BYTES;
    if (!this.#isRecorded && !isOnePiece) this.#writing = this.#write();
  }

  /** Counts bytes that were written. @throws StorageFull and whatever else went wrong when bytes before were synced */
  arrived(bytes: number): void {
    // Not tried again: after a sync that failed, the next one may succeed without the bytes being on disk.
    if (this.#failure !== undefined) throw this.#failure;
    this.#unrecordedBytes += bytes;
    if (this.#writing === undefined && this.#isDue()) this.#writing = this.#write();
  }

  /** Writes down what is there now. @throws as {@link arrived} */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#writing = this.#write();
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Forgets the fill. */
  async finish(): Promise<void> {
    await this.#writing;
    if (this.#isRecorded) await this.#records.finish(this.#record.digest);
    this.#isRecorded = false;
  }

  #isDue(): boolean {
    return (
      this.#unrecordedBytes >= CHECKPOINT_BYTES || this.#now() - this.#recordedAt >= CHECKPOINT_MS
    );
  }

  /** Never rejects: what failed is told by whoever writes next. */
  async #write(): Promise<void> {
    try {
      await this.#syncAndRecord();
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error('cannot sync', { cause: error });
    } finally {
      this.#writing = undefined;
    }
  }

  async #syncAndRecord(): Promise<void> {
    const intervals = this.#file.present;
    const bytes = this.#unrecordedBytes;
    if (bytes > 0) await this.#file.staged.sync();
    try {
      if (this.#isRecorded) await this.#records.progress(this.#record.digest, intervals);
      else await this.#records.start({ ...this.#record, intervals });
      this.#isRecorded = true;
      this.#unrecordedBytes -= bytes;
    } catch (error) {
      maintenanceFailed.publish({ work: 'fill progress', error });
    }
    this.#recordedAt = this.#now();
  }
}
