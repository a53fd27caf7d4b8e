/** Replication: what is deleted at a destination because the source no longer has it. */
import { z } from 'zod';
import type { Digest } from '../src/oci/digest.ts';
import { accompanies, isCompanion } from './replication-companions.ts';
import { selectsTag, type TagFilter } from './replication-selection.ts';

const EXPECTED = 'a number of tags, or a percentage from 1% to 100%';

export const PruneRule = z.strictObject({
  atMost: z
    .union([z.int().min(1), z.string().regex(/^(?:100|[1-9]\d?)%$/, EXPECTED)], { error: EXPECTED })
    .default('10%')
    .meta({
      kind: 'number, or percentage',
      description:
        'The most that one run may delete, in tags or as a part of all that the policy selects at its destinations. A run that would delete more, or that could not look at every repository, deletes nothing and says so.',
      examples: ['10%'],
    }),
});
export type PruneRule = z.output<typeof PruneRule>;

/** A tag at the destination. */
export interface MirroredTag {
  readonly name: string;
  readonly digest?: Digest | undefined;
  /** Whether it is known that somebody else put it there: pushed it, not copied. */
  readonly isForeign?: boolean;
}

export interface MirrorFacts {
  /** What the policy copies of the repository now, by name at the source; undefined where that could not be found out. */
  readonly wanted: readonly string[] | undefined;
  readonly there: readonly MirroredTag[];
}

/**
 * The tags of one repository at a destination that a mirror removes: those that the policy selects and does not copy.
 * What it does not select is none of its business, nor what others pushed. Tags that accompany an artifact go with the
 * last tag of it. Nothing goes where it is not known what the source has.
 */
export function tagsToDelete(
  { wanted, there }: MirrorFacts,
  filter: TagFilter,
): readonly MirroredTag[] {
  if (wanted === undefined) return [];
  const kept = new Set(wanted);
  const ownTags = there.filter(({ name }) => !isCompanion(name));
  const goes = ({ name, isForeign = false }: MirroredTag): boolean =>
    !isForeign && !kept.has(name) && selectsTag(name, filter);
  const gone = ownTags.filter(goes);
  const stays = ownTags.filter((tag) => !goes(tag));
  const companions = there.filter(
    (tag) =>
      isCompanion(tag.name) &&
      !kept.has(tag.name) &&
      !(tag.isForeign ?? false) &&
      gone.some(({ digest }) => digest !== undefined && accompanies(tag.name, digest)) &&
      stays.every(({ digest }) => digest !== undefined && !accompanies(tag.name, digest)),
  );
  return [...gone, ...companions];
}

/** The most tags that a run may delete, of as many as the policy selects at its destinations. Never none, lest a small mirror never changes. */
export function deletionLimit(selected: number, { atMost }: PruneRule): number {
  if (typeof atMost === 'number') return atMost;
  return Math.max(1, Math.floor((selected * Number.parseInt(atMost, 10)) / 100));
}
