import { StorageFull } from '../storage/errors.ts';
import type { GrowingFile } from './growing-file.ts';
import type { TransferLimits } from './limits.ts';

export interface RoomClaimParts {
  readonly makeRoom: (bytes: number, options: { readonly whole: number }) => Promise<boolean>;
  readonly limits: Pick<TransferLimits, 'claimBytes'>;
}

/**
 * The room that one run of a fill was promised: always some way ahead of what has come, and never for all of what a size
 * claims. An upstream that says that a blob is huge would empty the cache with one byte of it.
 */
export class RoomClaim {
  readonly #file: GrowingFile;
  readonly #parts: RoomClaimParts;
  /** The file may have so many bytes. */
  #promisedSize = 0;
  /** What is being asked for. */
  #askedBytes = 0;
  #asking: Promise<void> | undefined;

  constructor(file: GrowingFile, parts: RoomClaimParts) {
    this.#file = file;
    this.#parts = parts;
  }

  /** What was promised, or is asked for, and has not come. */
  get awaitedBytes(): number {
    return Math.max(0, this.#promisedSize - this.#file.presentBytes) + this.#askedBytes;
  }

  isEnoughFor(bytes: number): boolean {
    return Math.min(this.#file.size, this.#file.presentBytes + bytes) <= this.#promisedSize;
  }

  /** Resolves once it is enough for so many more. @throws StorageFull */
  async covers(bytes: number): Promise<void> {
    while (!this.isEnoughFor(bytes)) {
      this.#asking ??= this.#ask(bytes);
      await this.#asking;
    }
  }

  async #ask(bytes: number): Promise<void> {
    const { presentBytes, size } = this.#file;
    const whole = size - presentBytes;
    const step = Math.min(whole, Math.max(bytes, this.#parts.limits.claimBytes));
    const answer = this.#parts.makeRoom(step, { whole });
    this.#askedBytes = step;
    try {
      if (!(await answer)) throw new StorageFull();
      this.#promisedSize = presentBytes + step;
    } finally {
      this.#askedBytes = 0;
      this.#asking = undefined;
    }
  }
}
