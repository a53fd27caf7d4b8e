/** Replication: which of the selected tags are copied. */
import { z } from 'zod';
import { compareVersions, versionOf } from './tag-version.ts';
import { Duration } from './units.ts';

export const KeepRule = z
  .strictObject({
    newest: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .meta({
        description:
          'Only so many of each repository, the newest ones; tags that point to the same digest count once.',
        examples: [5],
      }),
    by: z.enum(['semver', 'pushed', 'created']).default('pushed').meta({
      description:
        'What makes a tag new: the version that it names (tags that name none are all copied), when it was pushed, or when the image was built. Where a registry does not tell the push, the build counts.',
    }),
    maxAge: Duration.optional().meta({
      description:
        'Only tags that were pushed (by `created`: built) no longer ago than this. What nobody knows the age of is old.',
      examples: ['90d'],
    }),
  })
  .refine(
    ({ newest, maxAge }) => newest !== undefined || maxAge !== undefined,
    'at least one of newest and maxAge',
  );
export type KeepRule = z.output<typeof KeepRule>;

/** What is known of a tag. Milliseconds UTC. */
export interface TagFacts {
  readonly name: string;
  /** Without it, the tag counts by itself. */
  readonly digest?: string | undefined;
  readonly pushedAt?: number | undefined;
  /** What the image's configuration says. */
  readonly createdAt?: number | undefined;
}

export interface Pruned<Tag> {
  readonly copied: readonly Tag[];
  /** With what people are told. */
  readonly skipped: readonly { readonly tag: Tag; readonly why: string }[];
}

/** Whether the rule judges by when something was pushed or built, which may cost requests to find out. */
export function needsTimes({ by, maxAge }: KeepRule): boolean {
  return by !== 'semver' || maxAge !== undefined;
}

/** Select, then prune: of the tags of one repository that the policy selects, those that are copied. In the same order. */
export function tagsToCopy<Tag extends TagFacts>(
  tags: readonly Tag[],
  rule: KeepRule,
  now: number,
): Pruned<Tag> {
  const young = tags.filter((tag) => isYoung(tag, rule, now));
  const newest = new Set(newestOf(young, rule));
  const skipped = tags
    .filter((tag) => !newest.has(tag))
    .map((tag) => ({
      tag,
      why: isYoung(tag, rule, now)
        ? `not of the newest ${rule.newest} by ${rule.by}`
        : ageOf(tag, rule),
    }));
  return { copied: young.filter((tag) => newest.has(tag)), skipped };
}

function isYoung(tag: TagFacts, rule: KeepRule, now: number): boolean {
  if (rule.maxAge === undefined) return true;
  const moment = momentOf(tag, rule);
  return moment !== undefined && now - moment <= rule.maxAge;
}

function ageOf(tag: TagFacts, rule: KeepRule): string {
  return momentOf(tag, rule) === undefined ? 'of unknown age' : 'older than maxAge';
}

function momentOf({ pushedAt, createdAt }: TagFacts, { by }: KeepRule): number | undefined {
  return by === 'created' ? createdAt : (pushedAt ?? createdAt);
}

interface Ranked<Tag> {
  readonly tag: Tag;
  readonly moment: number;
  readonly version: ReturnType<typeof versionOf>;
}

function newestOf<Tag extends TagFacts>(tags: readonly Tag[], rule: KeepRule): readonly Tag[] {
  const { newest, by } = rule;
  if (newest === undefined) return tags;
  // Read once: there may be a hundred thousand.
  const ranked = tags.map((tag) => ({
    tag,
    moment: momentOf(tag, rule) ?? Number.NEGATIVE_INFINITY,
    version: versionOf(tag.name),
  }));
  const artifacts = [...Map.groupBy(ranked, ({ tag }) => tag.digest ?? `tag ${tag.name}`).values()];
  const counts = (artifact: readonly Ranked<Tag>[]): boolean =>
    by !== 'semver' || artifact.some(({ version }) => version !== undefined);
  const best = artifacts
    .filter(counts)
    .map((artifact) => ({ artifact, best: artifact.reduce(newerOf(rule)) }))
    .toSorted((one, other) => compare(other.best, one.best, rule))
    .slice(0, newest)
    .map(({ artifact }) => artifact);
  const others = artifacts.filter((artifact) => !counts(artifact));
  return [...best, ...others].flat().map(({ tag }) => tag);
}

function newerOf<Tag extends TagFacts>(
  rule: KeepRule,
): (one: Ranked<Tag>, other: Ranked<Tag>) => Ranked<Tag> {
  return (one, other) => (compare(one, other, rule) < 0 ? other : one);
}

/** The newer is the greater; among equals the greater version, then the name, so that the order never depends on a list's. */
function compare(one: Ranked<TagFacts>, other: Ranked<TagFacts>, { by }: KeepRule): number {
  if (by !== 'semver' && one.moment !== other.moment) return one.moment - other.moment;
  const byVersion = compareVersions(one.version, other.version);
  if (byVersion !== 0) return byVersion;
  return one.tag.name < other.tag.name ? -1 : Number(one.tag.name > other.tag.name);
}
