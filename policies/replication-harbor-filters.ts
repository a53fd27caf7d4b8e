/**
 * Filters of Harbor's replication policies (src/pkg/reg/model/policy.go, src/pkg/reg/filter), and ours. Harbor has a glob for
 * names, globs that tags match or do not, labels, and whether only images are meant; all of them have to agree.
 */
import { z } from 'zod';
import { isDoublestar } from './doublestar.ts';
import { isRegular } from './name-pattern.ts';
import type { ReplicationPolicy } from './replication.ts';

const Text = z.string("the type of filter value isn't string");
const Labels = z.array(z.string(), "the type of label filter value isn't string slice");
const Decoration = z.enum(['', 'matches', 'excludes'], 'invalid filter decoration').nullish();
const None = z.literal('', 'only tag and label filter support decoration').nullish();
const Resource = z.enum(['', 'image', 'artifact'], 'invalid resource filter');

/** With Harbor's words for what is wrong. */
export const HarborFilter = z.discriminatedUnion(
  'type',
  [
    z.object({ type: z.literal('name'), value: Text, decoration: None }),
    z.object({ type: z.literal('tag'), value: Text, decoration: Decoration }),
    z.object({ type: z.literal('label'), value: Labels, decoration: Decoration }),
    z.object({ type: z.literal('resource'), value: Resource, decoration: None }),
  ],
  'invalid filter type',
);
export type HarborFilter = z.output<typeof HarborFilter>;

/** What filters say together; empty ones say nothing. */
export interface HarborSelection {
  readonly name?: string;
  readonly tags?: string;
  readonly exceptTags?: string;
  readonly labels?: readonly string[];
  readonly exceptLabels?: readonly string[];
  readonly images?: true;
}

/** Undefined where two of a kind have to agree, which ours cannot say. */
export function selectionOf(filters: readonly HarborFilter[]): HarborSelection | undefined {
  const parts = filters.filter(({ value }) => value.length > 0).map(partOf);
  const kinds = parts.flatMap((part) => Object.keys(part));
  if (new Set(kinds).size < kinds.length) return undefined;
  const empty: HarborSelection = {};
  return parts.reduce((all, part) => ({ ...all, ...part }), empty);
}

function partOf({ type, value, decoration }: HarborFilter): HarborSelection {
  const isExcept = decoration === 'excludes';
  if (typeof value !== 'string') return isExcept ? { exceptLabels: value } : { labels: value };
  if (type === 'name') return { name: value };
  if (type === 'tag') return isExcept ? { exceptTags: value } : { tags: value };
  return value === 'image' ? { images: true } : {};
}

const KINDS = ['name', 'tags', 'exceptTags', 'labels', 'exceptLabels', 'images'] as const;

export function isSameSelection(one: HarborSelection, other: HarborSelection): boolean {
  return KINDS.every((kind) => isSame(one[kind], other[kind]));
}

type Filtered = Pick<ReplicationPolicy, 'repositories' | 'tags' | 'labels' | 'artifactTypes'>;

const EVERY_NAME = ['**'];
const EVERY_TAG = ['*'];
/** Media types of the configurations of images, and of indexes, which have none. */
const IMAGES = [
  'application/vnd.oci.image.config.*',
  'application/vnd.oci.image.index.*',
  'application/vnd.docker.container.image.*',
  'application/vnd.docker.distribution.manifest.list.*',
];

/** As much of the policy as Harbor can say: several patterns as one with braces, and nothing of what has no such form. */
export function selectionFor({
  repositories,
  tags,
  labels,
  artifactTypes,
}: Filtered): HarborSelection {
  const name = globFor(repositories.include, EVERY_NAME);
  const wanted = globFor(tags.include, EVERY_TAG);
  const exceptTags = globFor(tags.exclude, []);
  const [exceptLabels] = labels.exclude;
  return {
    ...(name === undefined ? {} : { name }),
    ...(wanted === undefined ? {} : { tags: wanted }),
    ...(exceptTags === undefined ? {} : { exceptTags }),
    ...(labels.include.length === 0 ? {} : { labels: labels.include }),
    ...(exceptLabels === undefined ? {} : { exceptLabels }),
    ...(isSame(artifactTypes.include, IMAGES) ? { images: true } : {}),
  };
}

export function filtersFor(selection: HarborSelection): readonly HarborFilter[] {
  const { name, tags, exceptTags, labels, exceptLabels, images } = selection;
  const filters: HarborFilter[] = [];
  if (name !== undefined) filters.push({ type: 'name', value: name });
  if (tags !== undefined) filters.push({ type: 'tag', value: tags, decoration: 'matches' });
  if (exceptTags !== undefined) {
    filters.push({ type: 'tag', value: exceptTags, decoration: 'excludes' });
  }
  if (labels !== undefined) {
    filters.push({ type: 'label', value: [...labels], decoration: 'matches' });
  }
  if (exceptLabels !== undefined) {
    filters.push({ type: 'label', value: [...exceptLabels], decoration: 'excludes' });
  }
  if (images !== undefined) filters.push({ type: 'resource', value: 'image' });
  return filters;
}

/** What changes of a policy's filters where Harbor's say something else than is shown of them; the rest stays. */
export function changedFilters(selection: HarborSelection, policy: Filtered): Partial<Filtered> {
  const shown = selectionFor(policy);
  const isChanged = (kind: keyof HarborSelection): boolean => !isSame(selection[kind], shown[kind]);
  const { name, tags, exceptTags, labels = [], exceptLabels, images } = selection;
  const tagChanges = {
    ...(isChanged('tags') ? { include: patternsOf(tags) ?? EVERY_TAG } : {}),
    ...(isChanged('exceptTags') ? { exclude: patternsOf(exceptTags) ?? [] } : {}),
  };
  const labelChanges = {
    ...(isChanged('labels') ? { include: [...labels] } : {}),
    ...(isChanged('exceptLabels')
      ? { exclude: exceptLabels === undefined ? [] : [[...exceptLabels]] }
      : {}),
  };
  return {
    ...(isChanged('name')
      ? { repositories: { ...policy.repositories, include: patternsOf(name) ?? EVERY_NAME } }
      : {}),
    ...(isAny(tagChanges) ? { tags: { ...policy.tags, ...tagChanges } } : {}),
    ...(isAny(labelChanges) ? { labels: { ...policy.labels, ...labelChanges } } : {}),
    ...(isChanged('images')
      ? { artifactTypes: { ...policy.artifactTypes, include: images ? IMAGES : EVERY_NAME } }
      : {}),
  };
}

function isAny(changes: object): boolean {
  return Object.keys(changes).length > 0;
}

/** Harbor has no regular expressions: a glob that looks like one is written so that it does not. */
function patternsOf(glob: string | undefined): string[] | undefined {
  if (glob === undefined) return undefined;
  return [isRegular(glob) ? `\\${glob}` : glob];
}

function globFor(patterns: readonly string[], everything: readonly string[]): string | undefined {
  if (isSame(patterns, everything) || patterns.some(isRegular)) return undefined;
  const [only, ...others] = patterns.map((pattern) => pattern.replace(/^\\(?=\/.+\/$)/s, ''));
  const glob = others.length === 0 ? only : `{${[only, ...others].join(',')}}`;
  return glob !== undefined && isDoublestar(glob) ? glob : undefined;
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
