/**
 * Patterns as Harbor's users write them (github.com/bmatcuk/doublestar v1, which says that `a/**` is not `a`): `*` and `?` stay within one component, `**` as
 * a whole component spans any number of them, `[a-z]` and `[^a-z]` are one character, `{a,b}` is either.
 *
 * Matched by following all possibilities at once: people who are not operators write these, and a regular expression can
 * be made to take for ever.
 */
import { z } from 'zod';

type Part =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'some' }
  /** Any number of components, with the slash behind each of them. */
  | { readonly kind: 'components' }
  /** A slash and anything. */
  | { readonly kind: 'below' }
  | { readonly kind: 'anything' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly Range[] };
type Range = readonly [first: string, last: string];
type Alternatives = readonly (readonly Part[])[];

/** Names and tags are not longer. */
const LONGEST_PATTERN = 255;
/** What the braces of a pattern may come to: each further pair may double them. */
const MOST_ALTERNATIVES = 64;
/** Of all alternatives: each may be at every place of a text. */
const MOST_PARTS = 500;
const MOST_REMEMBERED = 10_000;

/** As operators write them. */
export const Pattern = z
  .string()
  .min(1)
  .max(LONGEST_PATTERN)
  .refine(isDoublestar, 'brackets and braces that close, and not too many alternatives');

/** Whether it is one: brackets and braces close, it is not too long, and says no more than 64 things by its braces. */
export function isDoublestar(pattern: string): boolean {
  return pattern.length <= LONGEST_PATTERN && alternativesOf(pattern).length > 0;
}

/** Whether the whole text matches; nothing matches what is no pattern, and everything the empty one. */
export function matchesDoublestar(text: string, pattern: string): boolean {
  if (pattern === '') return true;
  let alternatives = remembered.get(pattern);
  if (alternatives === undefined) {
    alternatives = alternativesOf(pattern);
    if (remembered.size >= MOST_REMEMBERED) remembered.clear();
    remembered.set(pattern, alternatives);
  }
  return alternatives.some((parts) => follow(parts, text).has(text.length));
}

/** All texts that match, where they can be told one by one; undefined where the pattern has a wildcard, or is none. */
export function textsOf(pattern: string): readonly string[] | undefined {
  const texts = alternativesOf(pattern).map(literalText);
  return pattern !== '' && texts.length > 0 && texts.every((text) => text !== undefined)
    ? texts
    : undefined;
}

/** What all texts begin with that match; may be nothing. */
export function beginningOf(pattern: string): string {
  const beginnings = alternativesOf(pattern).map((parts) => {
    const wildcard = parts.findIndex(({ kind }) => kind !== 'literal');
    return literalText(wildcard === -1 ? parts : parts.slice(0, wildcard)) ?? '';
  });
  return commonBeginning(beginnings);
}

export function commonBeginning([first = '', ...others]: readonly string[]): string {
  let { length } = first;
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length -= 1;
  }
  return first.slice(0, length);
}

/** Some texts that match, none where the pattern is none: what may be anything is `x`, once little and once much of it. */
export function examplesOf(pattern: string): readonly string[] {
  const texts = alternativesOf(pattern).flatMap((parts) =>
    [LITTLE, MUCH].map((kinds) => parts.map((part) => exampleOf(part, kinds)).join('')),
  );
  return [...new Set(texts)].filter((text) => matchesDoublestar(text, pattern));
}

const LITTLE = { one: 'x', some: 'x', components: '', below: '/x', anything: 'x' };
const MUCH = { ...LITTLE, components: 'x/', below: '/x/x', anything: 'x/x' };

function exampleOf(part: Part, kinds: typeof LITTLE): string {
  if (part.kind === 'literal') return part.character;
  if (part.kind !== 'class') return kinds[part.kind];
  return part.isNegated ? 'x' : (part.ranges[0]?.[0] ?? '');
}

function literalText(parts: readonly Part[]): string | undefined {
  return parts.every((part) => part.kind === 'literal')
    ? parts.map(({ character }) => character).join('')
    : undefined;
}

const remembered = new Map<string, Alternatives>();

/**
 * What `**` means depends on what stands beside it, so that braces are taken apart first.
 *
 * @returns none for what is no pattern
 */
function alternativesOf(pattern: string): Alternatives {
  const alternatives: (readonly Part[])[] = [];
  let count = 0;
  for (const text of expanded({ pattern, at: 0 }, { isNested: false }) ?? []) {
    const parts = partsOf(text);
    count += parts?.length ?? 0;
    if (parts === undefined || count > MOST_PARTS) return [];
    alternatives.push(parts);
  }
  return alternatives;
}

interface Reader {
  readonly pattern: string;
  at: number;
}

/** A character, or what stands for one; a brace or a comma in there is none. */
const TOKEN = /\\.|\[[\^!]?(?:\\.|[^\]\\])+\]|./sy;

/** Up to the end, or to what ends an alternative: all that it says without its braces; undefined for what is no pattern. */
function expanded(
  reader: Reader,
  { isNested }: { readonly isNested: boolean },
): readonly string[] | undefined {
  let texts: readonly string[] = [''];
  while (reader.at < reader.pattern.length) {
    const character = reader.pattern.charAt(reader.at);
    if (isNested && (character === ',' || character === '}')) return texts;
    const more = character === '{' ? expandedBraces(reader) : [token(reader)];
    if (more === undefined || texts.length * more.length > MOST_ALTERNATIVES) return undefined;
    texts = texts.flatMap((text) => more.map((next) => text + next));
  }
  return isNested ? undefined : texts;
}

function expandedBraces(reader: Reader): readonly string[] | undefined {
  const texts: string[] = [];
  do {
    reader.at += 1;
    const alternative = expanded(reader, { isNested: true });
    if (alternative === undefined) return undefined;
    texts.push(...alternative);
  } while (reader.pattern[reader.at] === ',');
  reader.at += 1;
  return texts;
}

function token(reader: Reader): string {
  TOKEN.lastIndex = reader.at;
  const [text = ''] = TOKEN.exec(reader.pattern) ?? [];
  reader.at += text.length;
  return text;
}

/** Of a pattern without braces. */
function partsOf(pattern: string): readonly Part[] | undefined {
  const reader = { pattern, at: 0 };
  const parts: Part[] = [];
  while (reader.at < pattern.length) {
    const part = readPart(reader);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

// `**` as the rest of the pattern, with the slash before it or not; or with components behind it.
const SPANNING = /^(\/\*\*$|\*\*$|\*\*\/)/;

function readPart(reader: Reader): Part | undefined {
  const { pattern, at } = reader;
  const [, spanning] = SPANNING.exec(pattern.slice(at)) ?? [];
  const isWhole = at === 0 || pattern[at - 1] === '/';
  if (spanning === '/**') return taken(reader, 3, { kind: 'below' });
  if (isWhole && spanning === '**') return taken(reader, 2, { kind: 'anything' });
  if (isWhole && spanning === '**/') return taken(reader, 3, { kind: 'components' });
  const character = pattern.charAt(at);
  if (character === '*') return taken(reader, 1, { kind: 'some' });
  if (character === '?') return taken(reader, 1, { kind: 'one' });
  if (character === '[') return readClass(reader);
  if (character !== '\\') return taken(reader, 1, { kind: 'literal', character });
  const escaped = pattern[at + 1];
  return escaped === undefined
    ? undefined
    : taken(reader, 2, { kind: 'literal', character: escaped });
}

function readClass(reader: Reader): Part | undefined {
  const [whole, negation, inner] =
    /^\[([\^!]?)((?:\\.|[^\]\\])+)\]/s.exec(reader.pattern.slice(reader.at)) ?? [];
  if (whole === undefined || inner === undefined) return undefined;
  const ranges: Range[] = [];
  for (const [, first = '', last] of inner.matchAll(/\\?(.)(?:-\\?(.))?/gs)) {
    ranges.push([first, last ?? first]);
  }
  return taken(reader, whole.length, { kind: 'class', isNegated: negation !== '', ranges });
}

function taken(reader: Reader, characters: number, part: Part): Part {
  reader.at += characters;
  return part;
}

/** Where the text can be after the parts. */
function follow(parts: readonly Part[], text: string): ReadonlySet<number> {
  let places: ReadonlySet<number> = new Set([0]);
  for (const part of parts) {
    const next = new Set<number>();
    for (const place of places) step(part, text, place, next);
    places = next;
  }
  return places;
}

function step(part: Part, text: string, place: number, next: Set<number>): void {
  const character = text[place];
  const isInside = character !== undefined && character !== '/';
  switch (part.kind) {
    case 'literal':
      if (character === part.character) next.add(place + 1);
      return;
    case 'one':
      if (isInside) next.add(place + 1);
      return;
    case 'class':
      if (isInside && isIn(character, part.ranges) !== part.isNegated) next.add(place + 1);
      return;
    case 'some':
      // From a place before, all that follow are there.
      if (next.has(place)) return;
      for (let end = place; end <= text.length; end++) {
        next.add(end);
        if (text[end] === '/') return;
      }
      return;
    case 'components':
      if (next.has(place)) return;
      next.add(place);
      for (let end = place; end < text.length; end++) if (text[end] === '/') next.add(end + 1);
      return;
    case 'below':
      if (character === '/') next.add(text.length);
      return;
    case 'anything':
      next.add(text.length);
      return;
  }
}

function isIn(character: string, ranges: readonly Range[]): boolean {
  return ranges.some(([first, last]) => character >= first && character <= last);
}
