/** Replication: which repositories, tags and artifacts of the source a policy is about. */
import { z } from 'zod';
import {
  beginningOfNames,
  isSelected,
  NameFilter,
  NamePattern,
  namesOf,
  whole,
} from './name-pattern.ts';
import { isWithinRange, VersionRange } from './tag-version.ts';

const MOST_RANGES = 100;

const Label = z.string().min(1).max(128);

export const RepositoryFilter = NameFilter;

/** A list of patterns stands for `include`. */
export const TagFilter = z.preprocess(
  whole,
  z.strictObject({
    include: z.array(NamePattern).min(1).max(1000).default(['*']).meta({
      description: 'Tags that match one of these.',
    }),
    exclude: z
      .array(NamePattern)
      .max(1000)
      .default([])
      .meta({
        description: 'But none that matches one of these.',
        examples: [['*-debug']],
      }),
    semver: z
      .preprocess(listOfOne, z.array(VersionRange).min(1).max(MOST_RANGES))
      .optional()
      .meta({
        kind: 'text, or list: text',
        description:
          'And only tags that are versions within one of these ranges: `v1.2.3`, `1.2`, `24.04`.',
        examples: ['>=1.0'],
      }),
    prereleases: z.boolean().default(false).meta({
      description:
        'Whether ranges mean pre-releases as well, also those of which they do not speak. `1.2.3-alpine` reads as one, too.',
    }),
  }),
);
export type TagFilter = z.output<typeof TagFilter>;

/** Labels are names of labels, no patterns: they are free text. */
export const LabelFilter = z.preprocess(
  whole,
  z.strictObject({
    include: z.array(Label).max(100).default([]).meta({
      description: 'Artifacts that carry all of these.',
    }),
    exclude: z
      .array(z.preprocess(listOfOne, z.array(Label).min(1).max(100)))
      .max(100)
      .default([])
      .meta({
        kind: 'list: text, or list: text',
        description:
          'But none that carries one of these; a list in here stands for labels that are carried together.',
      }),
  }),
);
export type LabelFilter = z.output<typeof LabelFilter>;

export function selectsRepository(repository: string, filter: NameFilter): boolean {
  return isSelected(repository, filter);
}

/** The only repositories that can be selected, so that no catalogue has to be asked for; undefined where one has to. */
export function listsNoMoreThan(filter: NameFilter): readonly string[] | undefined {
  return namesOf(filter);
}

/**
 * What all selected repositories begin with, for registries that can list by it; may be nothing.
 *
 * @param leastParts of a name there: where they are two, `team/**` means nothing that is called `team`
 */
export function prefixOf(filter: NameFilter, leastParts = 1): string {
  const beginning = beginningOfNames(filter);
  if (leastParts < 2 || beginning === '' || beginning.includes('/')) return beginning;
  const isNamespace = filter.include.every((pattern) => pattern.startsWith(`${beginning}/`));
  return isNamespace ? `${beginning}/` : beginning;
}

export function selectsTag(tag: string, filter: TagFilter): boolean {
  if (!isSelected(tag, filter)) return false;
  const { semver, prereleases } = filter;
  return semver?.some((range) => isWithinRange(tag, range, { prereleases })) ?? true;
}

/** Whether what has no tag is selected: as in Harbor, where the patterns match nothing at all as well. */
export function selectsUntagged(filter: TagFilter): boolean {
  return selectsTag('', filter);
}

/** What is known of an artifact. What is left out is not known yet, and not judged by. */
export interface ArtifactFacts {
  readonly mediaType?: string;
  /** As referrers are listed by: `artifactType`, else the media type of the config (distribution-spec v1.1.1 "Listing Referrers"). */
  readonly artifactType?: string | undefined;
  /** Empty where the source knows no labels. */
  readonly labels?: readonly string[];
  /** Bytes of all that would be copied of it. */
  readonly size?: number;
  readonly isSigned?: boolean;
}

export interface ArtifactRule {
  readonly mediaTypes: NameFilter;
  readonly artifactTypes: NameFilter;
  readonly labels: LabelFilter;
  readonly maxSize?: number | undefined;
  readonly signedOnly: boolean;
}

/** `why` is for people. */
export type Selection =
  | { readonly isSelected: true }
  | { readonly isSelected: false; readonly why: string };

/** Whether an artifact of a selected tag is copied; asked again when more is known of it. */
export function selectsArtifact(facts: ArtifactFacts, rule: ArtifactRule): Selection {
  const why = whyNot(facts, rule);
  return why === undefined ? { isSelected: true } : { isSelected: false, why };
}

function whyNot(facts: ArtifactFacts, rule: ArtifactRule): string | undefined {
  const { mediaType, labels, size, isSigned } = facts;
  if (mediaType !== undefined) {
    if (!isSelected(mediaType, rule.mediaTypes)) return `media type ${mediaType}`;
    const type = facts.artifactType ?? mediaType;
    if (!isSelected(type, rule.artifactTypes)) return `artifact type ${type}`;
  }
  if (labels !== undefined) {
    const missing = rule.labels.include.find((label) => !labels.includes(label));
    if (missing !== undefined) return `without the label ${missing}`;
    const excluded = rule.labels.exclude.find((all) =>
      all.every((label) => labels.includes(label)),
    );
    if (excluded !== undefined) return `with the label ${excluded.join(' and ')}`;
  }
  if (size !== undefined && size > (rule.maxSize ?? Infinity)) return `of ${size} bytes`;
  return isSigned === false && rule.signedOnly ? 'not signed' : undefined;
}

function listOfOne(value: unknown): unknown {
  return typeof value === 'string' ? [value] : value;
}
