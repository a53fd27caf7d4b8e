import type { TransferLimits } from './limits.ts';

/** A segment that has ended. */
interface Ended {
  readonly start: number;
  readonly position: number;
  readonly answeredAt: number | undefined;
}

/**
 * Whether a file comes whole by one transfer, or in parts by several at once: one alone does not fill a line that is long
 * and loses packets. The first whole part tells how fast one is; what is small, or fast, comes whole.
 *
 *     trying ──slow──> in parts
 *        └──fast, or upstream cannot──> whole
 */
export class Parts {
  #state: 'whole' | 'trying' | 'in parts';
  readonly #limits: Pick<TransferLimits, 'segments' | 'partBytes' | 'fastBytes'>;

  /** `missingBytes`: of what is to come. */
  constructor(
    missingBytes: number,
    { inParts, ...limits }: TransferLimits & { readonly inParts: boolean },
  ) {
    this.#limits = limits;
    const isLarge = missingBytes >= limits.segments * limits.partBytes;
    this.#state = inParts && isLarge ? 'trying' : 'whole';
  }

  /** Transfers at once. */
  get most(): number {
    return this.#state === 'in parts' ? this.#limits.segments : 1;
  }

  /** Bytes that the next of them asks for at most. Later ones are smaller, so that all of them end at about one time. */
  next(missingBytes: number): number {
    const { segments, partBytes } = this.#limits;
    if (this.#state === 'whole') return Number.POSITIVE_INFINITY;
    if (this.#state === 'trying') return partBytes;
    return Math.max(partBytes, Math.ceil(missingBytes / (2 * segments)));
  }

  /** Says how fast the segment was, where that is not known yet. `now` by `performance.now()`. */
  ended({ start, position, answeredAt }: Ended, now: number): void {
    const { partBytes, fastBytes } = this.#limits;
    const bytes = position - start;
    // A gap that was small, or one that gave way, tells nothing.
    if (this.#state !== 'trying' || answeredAt === undefined || bytes < partBytes) return;
    const isFast = bytes >= (fastBytes * (now - answeredAt)) / 1000;
    this.#state = isFast ? 'whole' : 'in parts';
  }

  /** Upstream bears no ranges, or no more than one at once. */
  giveUp(): void {
    this.#state = 'whole';
  }
}
