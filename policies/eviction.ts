/**
 * Eviction: how much of what was pulled through has to go. What goes is the least recently read first, and only what
 * upstream has too; pushed and replicated content is never asked about.
 *
 * Pure. Finding and condemning the blobs is `src/proxy/evictions.ts`' business; what nobody wants any more is taken out by
 * `src/catalog/maintenance.ts`.
 */
import { z } from 'zod';
import { DurationOrForever, Size } from './units.ts';

const Percent = z.number().gt(0).lt(100);

export const EvictionRule = z
  .strictObject({
    highWatermark: Percent.default(85).meta({
      description: 'Cached blobs go when more of the filesystem than this is used. Percent.',
    }),
    lowWatermark: Percent.default(75).meta({
      description: 'They go until no more than this is used. Percent.',
    }),
    maxBytes: Size.optional().meta({
      description:
        'The cache itself may have so many bytes; at most, whatever the filesystem has room for.',
      examples: ['500GiB'],
    }),
    maxIdle: DurationOrForever.prefault('90d').meta({
      description:
        'Cached manifests that nobody pulled, and whose tags nobody asked for, for this long go, with their tags, unless an index that stays refers to them. So do cached blobs that nobody asked for and no manifest of their repository refers to. They are looked for each hour.',
    }),
  })
  .refine((rule) => rule.lowWatermark <= rule.highWatermark, {
    message: 'at most `highWatermark`',
    path: ['lowWatermark'],
  });
export type EvictionRule = z.infer<typeof EvictionRule>;

/** Cached content that nobody asked for since then has been idle too long. Milliseconds UTC; -Infinity: none ever has. */
export function idleBefore(rule: EvictionRule, now: number): number {
  return now - rule.maxIdle;
}

/** Bytes throughout. */
export interface SpaceFacts {
  /** Of the filesystem. */
  readonly total: number;
  readonly free: number;
  /** What would be free in addition once everything condemned is gone. */
  readonly condemned: number;
  /** Present blobs that only caches hold. */
  readonly cached: number;
  /** What a fill needs at once; 0 when nobody waits. */
  readonly wanted: number;
}

/**
 * How many bytes of cached blobs to condemn: down to the low watermark when the high one is passed, both of the
 * filesystem and of `maxBytes`. What would not fit into an empty cache empties none.
 */
export function bytesToFree(facts: SpaceFacts, rule: EvictionRule): number {
  const { total, free, condemned, cached } = facts;
  const wanted = mayFit(facts, facts.wanted) ? facts.wanted : 0;
  const used = total - free - condemned + wanted;
  const overFilesystem =
    used > share(total, rule.highWatermark) ? used - share(total, rule.lowWatermark) : 0;
  const overBudget = overBudgetOf(cached + wanted, rule);
  return Math.min(cached, Math.ceil(Math.max(overFilesystem, overBudget)));
}

/** Whether so many bytes would fit into an empty cache. */
export function mayFit(
  { free, condemned, cached }: Pick<SpaceFacts, 'free' | 'condemned' | 'cached'>,
  bytes: number,
): boolean {
  return bytes <= free + condemned + cached;
}

/** A budget has no room above its high mark: it is the limit itself, and the low one keeps its share to it. */
function overBudgetOf(bytes: number, rule: EvictionRule): number {
  if (rule.maxBytes === undefined || bytes <= rule.maxBytes) return 0;
  return bytes - rule.maxBytes * (rule.lowWatermark / rule.highWatermark);
}

function share(total: number, percent: number): number {
  return (total * percent) / 100;
}
