import type { StagedFile } from '../storage/blob-store.ts';
import {
  gapsBetween,
  type Intervals,
  lengthAt,
  nextStart,
  totalLength,
  withInterval,
} from './intervals.ts';

interface Waiter {
  readonly position: number;
  wake(): void;
}

/** A staged file that fills up in any order, and those who wait for its bytes. */
export class GrowingFile {
  /** Bytes once it is whole. */
  readonly size: number;
  #present: Intervals;
  #file: StagedFile | undefined;
  readonly #waiters = new Set<Waiter>();

  constructor(size: number, present: Intervals) {
    this.size = size;
    this.#present = present;
  }

  get present(): Intervals {
    return this.#present;
  }

  get presentBytes(): number {
    return totalLength(this.#present);
  }

  /** The staged file, while it is open. */
  get staged(): StagedFile {
    if (this.#file === undefined) throw new Error('the staged file is not open');
    return this.#file;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** `present` is what can be relied on in it. */
  attach(file: StagedFile, present: Intervals): void {
    this.#file = file;
    this.#present = present;
  }

  /** Closes the staged file; running reads come to their end. */
  async detach(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.[Symbol.asyncDispose]();
  }

  availableAt(position: number): number {
    return lengthAt(this.#present, position);
  }

  gapsBetween(start: number, end: number): Intervals {
    return gapsBetween(this.#present, start, end);
  }

  /** Where bytes begin that are there already, or else the end. */
  nextPresent(position: number): number {
    return nextStart(this.#present, position) ?? this.size;
  }

  /** @throws StorageFull */
  async put(chunk: Uint8Array, position: number): Promise<void> {
    await this.staged.write(chunk, position);
    const end = position + chunk.length;
    this.#present = withInterval(this.#present, position, end);
    for (const waiter of this.#waiters) {
      if (waiter.position >= position && waiter.position < end) waiter.wake();
    }
  }

  /** Only for bytes that are available; never resolves to 0. */
  async read(into: Buffer, position: number): Promise<number> {
    const length = await this.staged.read(into, position);
    if (length === 0) throw new Error(`${this.staged.id} is shorter than what was written to it`);
    return length;
  }

  /** Resolves when the byte at `position` arrived or {@link wakeAll} was called, whichever is first. */
  async news(position: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { position, wake: resolve };
    const abort = () => reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Positions that are waited for and not there, the lowest first. */
  wanted(): readonly number[] {
    const positions = [...this.#waiters].map(({ position }) => position);
    return [...new Set(positions)]
      .filter((position) => this.availableAt(position) === 0)
      .toSorted((left, right) => left - right);
  }

  wakeAll(): void {
    for (const waiter of this.#waiters) waiter.wake();
  }
}
