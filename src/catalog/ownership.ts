import type { Ownership } from '../database/tables.ts';

/** What the feed tells of, and eviction leaves alone. */
export type OwnedOwnership = Exclude<Ownership, 'cache'>;

const RANK: Record<Ownership, number> = { cache: 0, replica: 1, origin: 2 };

/** Content that comes a second way keeps the claim that binds more: what was pushed here never becomes evictable. */
export function strongerOf(one: Ownership, other: Ownership): Ownership {
  return RANK[one] >= RANK[other] ? one : other;
}

/** Whether the feed tells of it, and eviction must leave it alone. */
export function isOwned(ownership: Ownership): boolean {
  return ownership !== 'cache';
}
