/**
 * `index.yaml` of a classic Helm repository (https://helm.sh/docs/topics/chart_repository/). Some have tens of megabytes, and
 * parsing that much YAML would hold up everything else: what is written as Helm writes it is taken apart by its indentation,
 * and a chart's part is read when somebody asks for that chart, version by version. Everything else is read whole, if it is
 * not large.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Digest, isDigest } from '../../src/oci/digest.ts';
import { isRepositoryName, isTag } from '../../src/oci/reference.ts';

/** A version of a chart, as the index has it. */
export interface IndexedVersion {
  /** As OCI clients ask for it: a plus of SemVer becomes an underscore, as Helm does it. */
  readonly tag: string;
  /** Of the archive, where the index tells. */
  readonly digest: Digest | undefined;
  /** Where the archive is: relative to the repository, or elsewhere. */
  readonly urls: readonly string[];
}

/** What is in the file; a version is read when it is first asked for. */
export interface RepositoryIndex {
  /** In the order of the file. */
  readonly names: readonly string[];
  /** Newest first, where the file has them so; none where there is no such chart. Those without a place are left out. */
  versions(name: string): Promise<readonly IndexedVersion[]>;
}

/** The file is none that Helm would read. */
export class NoIndex extends Error {
  override readonly name = 'NoIndex';
}

/** What YAML that is not written as Helm writes it may have at most. */
const MOST_WHOLE_BYTES = 4 * 2 ** 20;
/** So many versions are read between two turns of everybody else. */
const AT_ONCE = 20;

const Version = z.object({
  version: z.coerce.string(),
  digest: z.string().nullish(),
  urls: z.array(z.string()).nullish(),
});
const Whole = z.object({
  // Without a schema YAML's words for nothing are text as well.
  entries: z
    .record(z.string(), z.unknown())
    .or(z.enum(['', 'null', '~']))
    .nullish(),
});

/** @throws NoIndex */
export function readIndex(text: string): RepositoryIndex {
  const parts = partsOf(text);
  const readings = new Map<string, Promise<readonly IndexedVersion[]>>();
  return {
    names: [...parts.keys()].filter(isRepositoryName),
    versions(name) {
      const known = readings.get(name);
      if (known !== undefined) return known;
      const reading = versionsIn(parts.get(name));
      readings.set(name, reading);
      return reading;
    },
  };
}

/** By chart: its part of the text, or what was parsed of it. */
function partsOf(text: string): ReadonlyMap<string, unknown> {
  const written = /^entries:[ \t]*\r?\n(?= {2}[^ \t#-])/m.exec(text);
  if (!text.trimStart().startsWith('{') && written !== null) {
    return chartsBelow(text, written.index + written[0].length);
  }
  if (text.length > MOST_WHOLE_BYTES && !text.trimStart().startsWith('{')) {
    throw new NoIndex('it is large, and not written as Helm writes it');
  }
  const whole = Whole.safeParse(documentIn(text));
  if (!whole.success) throw new NoIndex('it has no entries');
  const { entries } = whole.data;
  return new Map(typeof entries === 'object' ? Object.entries(entries ?? {}) : []);
}

/** Keys indented by two; the section ends with the next line that is not indented. */
function chartsBelow(text: string, start: number): ReadonlyMap<string, string> {
  const charts = new Map<string, string>();
  const end = /^[^\s#-]/m.exec(text.slice(start))?.index ?? text.length - start;
  const section = text.slice(start, start + end);
  const keys = [...section.matchAll(/^ {2}(?:"([^"]+)"|'([^']+)'|([^\s#:'"-][^:\n]*)):[ \t]*$/gm)];
  for (const [at, key] of keys.entries()) {
    const name = key[1] ?? key[2] ?? key[3] ?? '';
    charts.set(name, section.slice(key.index + key[0].length, keys[at + 1]?.index));
  }
  return charts;
}

async function versionsIn(part: unknown): Promise<readonly IndexedVersion[]> {
  const items = typeof part === 'string' ? itemsIn(part) : Array.isArray(part) ? part : [];
  const versions: IndexedVersion[] = [];
  for (const [at, item] of items.entries()) {
    if (at % AT_ONCE === AT_ONCE - 1) await turn();
    const read: unknown = typeof part === 'string' ? documentIn(String(item)) : item;
    // One that is wrong must not hide the others; one item is read as a list of one.
    const { data } = Version.safeParse(Array.isArray(read) ? read[0] : read);
    const version = data && indexed(data);
    if (version !== undefined) versions.push(version);
  }
  return versions;
}

/** What starts with a dash at the indentation of the first one. */
function itemsIn(part: string): readonly string[] {
  const first = /^( *)- /m.exec(part);
  if (first === null) return [part];
  return part.split(new RegExp(`^(?=${first[1]}- )`, 'm')).filter((item) => item.trim() !== '');
}

function indexed({ version, digest, urls }: z.infer<typeof Version>): IndexedVersion | undefined {
  const tag = version.replaceAll('+', '_');
  if (!isTag(tag) || urls == null || urls.length === 0) return undefined;
  // With and without its algorithm in front.
  const claimed = `sha256:${(digest ?? '').replace(/^sha256:/, '')}`;
  return { tag, urls, digest: isDigest(claimed) ? claimed : undefined };
}

/** JSON is YAML, and read much faster. Of YAML everything is as it is written: `3.20` is a version and no number. @throws NoIndex */
function documentIn(text: string): unknown {
  try {
    return text.trimStart().startsWith('{')
      ? JSON.parse(text)
      : parse(text, { schema: 'failsafe' });
  } catch (cause) {
    throw new NoIndex('it is no YAML', { cause });
  }
}
