/**
 * How long the next password has to wait after so many wrong ones. People mistype, so that the first cost nothing; then
 * each wait is twice the one before. No wait is for good, or anybody could lock a user out.
 */
const FREE = 10;
const FIRST_MS = 1000;

/** What failures are counted of. */
export type Counted = 'account' | 'address';

const LONGEST_MS: Readonly<Record<Counted, number>> = {
  // Shorter than an address's: who goes on guessing from one address keeps its user waiting for a small part of the time.
  account: 15_000,
  address: 5 * 60_000,
};

/** Milliseconds from the last failure on. */
export function waitAfter(failures: number, counted: Counted): number {
  if (failures < FREE) return 0;
  return Math.min(LONGEST_MS[counted], FIRST_MS * 2 ** (failures - FREE));
}
