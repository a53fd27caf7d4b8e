/**
 * Which names an operator means: patterns as Harbor's users write them, or regular expressions between slashes, which
 * match whole names. No repository or tag begins with a slash, so that none is mistaken for the other.
 *
 * Regular expressions are RE2's, as regsync's and skopeo's users have them: names come from registries that are not
 * ours, and no name can make one of these take long.
 */
import { RE2JS } from 're2js';
import { z } from 'zod';
import {
  beginningOf,
  commonBeginning,
  examplesOf,
  isDoublestar,
  matchesDoublestar,
  textsOf,
} from './doublestar.ts';

const LONGEST = 255;
const MOST = 1000;
const REGULAR = /^\/(.+)\/$/s;
const MOST_REMEMBERED = 1000;

export const NamePattern = z
  .string()
  .min(1)
  .max(LONGEST)
  .refine(
    isNamePattern,
    'a pattern whose brackets and braces close, or a regular expression of RE2 between slashes',
  );

const Exclude = z.array(NamePattern).max(MOST).default([]).meta({
  description: 'But none that matches one of these.',
});

/** `include` and `exclude`, or a list of what is included. */
export const NameFilter = z.preprocess(
  whole,
  z.strictObject({
    include: z.array(NamePattern).min(1).max(MOST).default(['**']).meta({
      description: 'Those that match one of these.',
    }),
    exclude: Exclude,
  }),
);
export type NameFilter = z.output<typeof NameFilter>;

/** A list stands for a mapping with nothing but `include`. */
export function whole(value: unknown): unknown {
  return Array.isArray(value) ? { include: value } : value;
}

/** Whether the name is included and not excluded. */
export function isSelected(name: string, { include, exclude }: NameFilter): boolean {
  const isOneOf = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesName(name, pattern));
  return isOneOf(include) && !isOneOf(exclude);
}

/** Whether all of the name matches; nothing matches what is no pattern. */
function matchesName(name: string, pattern: string): boolean {
  const expression = REGULAR.exec(pattern)?.[1];
  if (expression === undefined) return matchesDoublestar(name, pattern);
  return regularExpression(expression)?.matches(name) ?? false;
}

/** The names that the filter can select at most, without asking for a list of all; undefined where only such a list tells. */
export function namesOf(filter: NameFilter): readonly string[] | undefined {
  const names = new Set<string>();
  for (const pattern of filter.include) {
    const texts = textsOf(pattern);
    if (texts === undefined || isRegular(pattern)) return undefined;
    for (const text of texts) names.add(text);
  }
  return [...names].filter((name) => isSelected(name, filter));
}

/** What all names begin with that the filter selects, so that no others have to be listed; may be nothing. */
export function beginningOfNames({ include }: NameFilter): string {
  return commonBeginning(
    include.map((pattern) => (isRegular(pattern) ? '' : beginningOf(pattern))),
  );
}

/** Some names that the filter selects; regular expressions give none. */
export function nameExamplesOf(filter: NameFilter): readonly string[] {
  const names = filter.include.filter((pattern) => !isRegular(pattern)).flatMap(examplesOf);
  return [...new Set(names)].filter((name) => isSelected(name, filter));
}

export function isRegular(pattern: string): boolean {
  return REGULAR.test(pattern);
}

function isNamePattern(pattern: string): boolean {
  const expression = REGULAR.exec(pattern)?.[1];
  return expression === undefined
    ? isDoublestar(pattern)
    : regularExpression(expression) !== undefined;
}

const remembered = new Map<string, RE2JS | undefined>();

function regularExpression(source: string): RE2JS | undefined {
  if (remembered.has(source)) return remembered.get(source);
  if (remembered.size >= MOST_REMEMBERED) remembered.clear();
  const expression = compiled(source);
  remembered.set(source, expression);
  return expression;
}

function compiled(source: string): RE2JS | undefined {
  try {
    return RE2JS.compile(source);
  } catch {
    return undefined;
  }
}
