/** What a registry wants to see, as `WWW-Authenticate` says it (RFC 9110 section 11.6.1, docs/wire-notes.md 1). */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** By name in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/sy;
const SEPARATORS = /[\s,]*/y;
const SPACES = /[ \t]*/y;

/**
 * All challenges of a header, which may hold several (Gitea sends `Bearer …,Basic …` in one). Values may be quoted or
 * not. What cannot be read ends the list: the challenges before it stand.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const reader = new Reader(header);
  for (;;) {
    reader.take(SEPARATORS);
    const word = reader.take(TOKEN);
    if (word === undefined) return challenges;
    reader.take(SPACES);
    const current = challenges.at(-1);
    if (reader.skip('=') && current !== undefined) {
      reader.take(SPACES);
      const value = reader.take(QUOTED)?.replaceAll(/\\(.)/gs, '$1') ?? reader.take(TOKEN);
      if (value === undefined) return challenges;
      // The first of two: whoever adds one behind must not replace it.
      const name = word.toLowerCase();
      if (!current.parameters.has(name)) current.parameters.set(name, value);
    } else {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      // `Negotiate oRQwEqADCgEB…`: one value and no parameters.
      reader.take(TOKEN68);
    }
  }
}

class Reader {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The match at the current position, its first group where it has one. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#position = pattern.lastIndex;
    return match[1] ?? match[0];
  }

  skip(character: string): boolean {
    if (this.#text[this.#position] !== character) return false;
    this.#position += 1;
    return true;
  }
}
