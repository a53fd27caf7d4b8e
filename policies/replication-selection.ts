/** Replication: which repositories and tags of the source a policy is about. */
import semver from 'semver';
import { z } from 'zod';
import { isSelected, NameFilter, NamePattern, namesOf, whole } from './name-pattern.ts';

const LONGEST_RANGE = 255;
const MOST_RANGES = 100;

/** Ranges, too, may have leading zeros: `>=24.04`. */
const LENIENT = { loose: true };

const Label = z.string().min(1).max(128);

const Range = z
  .string()
  .max(LONGEST_RANGE)
  .refine(
    (range) => range.trim() !== '' && semver.validRange(range, LENIENT) !== null,
    'a range of semantic versions such as ">=1.2 <2", "^1.4" or "1.x || 2.x"',
  );

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
      .preprocess(listOfOne, z.array(Range).min(1).max(MOST_RANGES))
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

export function selectsTag(tag: string, filter: TagFilter): boolean {
  if (!isSelected(tag, filter)) return false;
  if (filter.semver === undefined) return true;
  const version = versionOf(tag);
  if (version === undefined) return false;
  const options = { ...LENIENT, includePrerelease: filter.prereleases };
  return filter.semver.some((range) => semver.satisfies(version, range, options));
}

/** Whether what has no tag is selected: as in Harbor, where the patterns match nothing at all as well. */
export function selectsUntagged(filter: TagFilter): boolean {
  return selectsTag('', filter);
}

const NUMBER = '(\\d{1,16})';
const VERSION = new RegExp(
  `^v?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:-([0-9A-Za-z.-]+))?(?:_([0-9A-Za-z.-]+))?$`,
);

/**
 * What a tag says as a version; undefined where it says none. Read as regsync and skopeo do: parts may be missing and
 * have leading zeros (`1.2`, `24.04`). After an underscore there is build metadata: Helm writes it so, as no tag may have a plus.
 */
function versionOf(tag: string): semver.SemVer | undefined {
  const [isVersion, major, minor = '0', patch = '0', prerelease] = VERSION.exec(tag) ?? [];
  if (isVersion === undefined) return undefined;
  const plain = [major, minor, patch].map(Number).join('.');
  return semver.parse(prerelease === undefined ? plain : `${plain}-${prerelease}`) ?? undefined;
}

function listOfOne(value: unknown): unknown {
  return typeof value === 'string' ? [value] : value;
}
