/**
 * Patterns as Harbor's users write them (github.com/bmatcuk/doublestar): `*` and `?` stay within one component, `**` as
 * a whole component spans any number of them, `[a-z]` and `[^a-z]` are one character, `{a,b}` is either.
 *
 * Matched by following all possibilities at once: people who are not operators write these, and a regular expression can
 * be made to take for ever.
 */

type Part =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'some' }
  /** Any number of components, with the slash behind each of them. */
  | { readonly kind: 'components' }
  /** Nothing, or a slash and anything. */
  | { readonly kind: 'below' }
  | { readonly kind: 'anything' }
  | { readonly kind: 'class'; readonly isNegated: boolean; readonly ranges: readonly Range[] }
  | { readonly kind: 'either'; readonly alternatives: readonly (readonly Part[])[] };
type Range = readonly [first: string, last: string];

/** Names and tags are not longer. */
const LONGEST_PATTERN = 255;

/** Whether it is one: brackets and braces close, and it is not too long. */
export function isDoublestar(pattern: string): boolean {
  return pattern.length <= LONGEST_PATTERN && partsOf(pattern) !== undefined;
}

/** Whether the whole text matches; nothing matches what is no pattern, and everything the empty one. */
export function matchesDoublestar(text: string, pattern: string): boolean {
  if (pattern === '') return true;
  const parts = partsOf(pattern);
  return parts !== undefined && follow(parts, text, new Set([0])).has(text.length);
}

function partsOf(pattern: string): readonly Part[] | undefined {
  const reader = { pattern, at: 0 };
  const parts = readParts(reader, { isNested: false });
  return reader.at === pattern.length ? parts : undefined;
}

interface Reader {
  readonly pattern: string;
  at: number;
}

/** Up to the end, or to what ends an alternative. */
function readParts(
  reader: Reader,
  { isNested }: { isNested: boolean },
): readonly Part[] | undefined {
  const parts: Part[] = [];
  while (reader.at < reader.pattern.length) {
    const character = reader.pattern.charAt(reader.at);
    if (isNested && (character === ',' || character === '}')) return parts;
    const part = readPart(reader, isNested);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return isNested ? undefined : parts;
}

// `**` as the rest of the pattern, or of an alternative, with the slash before it or not; or with components behind it.
const SPANNING = /^(\/\*\*$|\*\*$|\*\*\/)/;
const SPANNING_NESTED = /^(\/\*\*(?=[,}])|\*\*(?=[,}])|\*\*\/)/;

function readPart(reader: Reader, isNested: boolean): Part | undefined {
  const { pattern, at } = reader;
  const [, spanning] = (isNested ? SPANNING_NESTED : SPANNING).exec(pattern.slice(at)) ?? [];
  const isWhole =
    at === 0 || pattern[at - 1] === '/' || (isNested && /[{,]/.test(pattern.charAt(at - 1)));
  if (spanning === '/**') return taken(reader, 3, { kind: 'below' });
  if (isWhole && spanning === '**') return taken(reader, 2, { kind: 'anything' });
  if (isWhole && spanning === '**/') return taken(reader, 3, { kind: 'components' });
  const character = pattern.charAt(at);
  if (character === '*') return taken(reader, 1, { kind: 'some' });
  if (character === '?') return taken(reader, 1, { kind: 'one' });
  if (character === '[') return readClass(reader);
  if (character === '{') return readEither(reader);
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

function readEither(reader: Reader): Part | undefined {
  const alternatives: (readonly Part[])[] = [];
  do {
    reader.at += 1;
    const alternative = readParts(reader, { isNested: true });
    if (alternative === undefined) return undefined;
    alternatives.push(alternative);
  } while (reader.pattern[reader.at] === ',');
  return taken(reader, 1, { kind: 'either', alternatives });
}

function taken(reader: Reader, characters: number, part: Part): Part {
  reader.at += characters;
  return part;
}

/** Where the text can be after the parts, from all the places where it can be before them. */
function follow(
  parts: readonly Part[],
  text: string,
  from: ReadonlySet<number>,
): ReadonlySet<number> {
  let places = from;
  for (const part of parts) {
    const next = new Set<number>();
    if (part.kind === 'either') {
      for (const alternative of part.alternatives) {
        for (const place of follow(alternative, text, places)) next.add(place);
      }
    } else {
      for (const place of places) step(part, text, place, next);
    }
    places = next;
  }
  return places;
}

function step(
  part: Exclude<Part, { kind: 'either' }>,
  text: string,
  place: number,
  next: Set<number>,
): void {
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
      for (let end = place; end <= text.length; end++) {
        next.add(end);
        if (text[end] === '/') return;
      }
      return;
    case 'components':
      next.add(place);
      for (let end = place; end < text.length; end++) if (text[end] === '/') next.add(end + 1);
      return;
    case 'below':
      if (place === text.length || character === '/') next.add(text.length);
      return;
    case 'anything':
      next.add(text.length);
      return;
  }
}

function isIn(character: string, ranges: readonly Range[]): boolean {
  return ranges.some(([first, last]) => character >= first && character <= last);
}
