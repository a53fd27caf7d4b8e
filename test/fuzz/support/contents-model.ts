import type { Digest } from '../../../src/oci/digest.ts';
import type { Pool } from './contents-pool.ts';

export const REPOSITORIES = ['strict one', 'strict other', 'sparse'] as const;
export type Repository = (typeof REPOSITORIES)[number];
export const TAGS = ['V1', 'latest', 'v1'] as const;

/** What is visible. Keys are a repository and a digest or tag. */
export interface State {
  readonly blobs: ReadonlySet<string>;
  readonly manifests: ReadonlySet<string>;
  readonly tags: ReadonlyMap<string, Digest>;
}

export const EMPTY: State = { blobs: new Set(), manifests: new Set(), tags: new Map() };

const KINDS = [
  'push blob',
  'mount blob',
  'delete blob',
  'head blob',
  'push manifest',
  'delete manifest',
  'get manifest',
  'delete tag',
  'get tag',
  'list tags',
  'list referrers',
] as const;
/** One request. Each kind looks at some of the fields; numbers are places in the pool. */
export interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly repository: Repository;
  readonly blob: number;
  readonly manifest: number;
  readonly tag: string;
  /** Of a pushed manifest; pushed by its digest. */
  readonly tags: readonly string[];
  /** Where a mount comes from; undefined: from anywhere. */
  readonly from: Repository | undefined;
}

/** What a step may be answered, and what is visible afterwards. */
export interface Result {
  /** The status, and what tells one success from another. */
  readonly outcome: string;
  readonly state: State;
}

/** All that may come of a step, which is one thing but for mounts from anywhere that are not alone. */
export function resultsOf(
  step: Step,
  state: State,
  pool: Pool,
  isAlone: boolean,
): readonly Result[] {
  const { repository } = step;
  const blob = `${repository}@${pool.blobs[step.blob]?.digest}`;
  const manifest = `${repository}@${pool.manifests[step.manifest]?.digest}`;
  const tag = `${repository}:${step.tag}`;
  const same = (outcome: string): readonly Result[] => [{ outcome, state }];
  const withBlob = { ...state, blobs: new Set([...state.blobs, blob]) };
  switch (step.kind) {
    case 'push blob':
      return [{ outcome: '201', state: withBlob }];
    case 'mount blob': {
      if (!isMountable(step, state, pool)) return same('202');
      const mounted = { outcome: '201', state: withBlob };
      // The place that was found may lose it before the mount, while another has it all the time.
      return isAlone || step.from !== undefined ? [mounted] : [mounted, ...same('202')];
    }
    case 'delete blob':
      if (!state.blobs.has(blob)) return same('404');
      return [{ outcome: '202', state: { ...state, blobs: without(state.blobs, blob) } }];
    case 'head blob':
      return same(state.blobs.has(blob) ? '200' : '404');
    case 'push manifest':
      return [pushed(step, state, pool)];
    case 'delete manifest':
      if (!state.manifests.has(manifest)) return same('404');
      if (isListed(step, state, pool)) return same('403');
      return [{ outcome: '202', state: withoutManifest(state, repository, manifest) }];
    case 'get manifest':
      return same(state.manifests.has(manifest) ? `200 ${manifest.split('@')[1]}` : '404');
    case 'delete tag': {
      if (!state.tags.has(tag)) return same('404');
      const tags = new Map([...state.tags].filter(([key]) => key !== tag));
      return [{ outcome: '202', state: { ...state, tags } }];
    }
    case 'get tag':
      return same(state.tags.has(tag) ? `200 ${state.tags.get(tag)}` : '404');
    case 'list tags':
      return same(`200 ${TAGS.filter((name) => state.tags.has(`${repository}:${name}`)).join()}`);
    case 'list referrers':
      return same(`200 ${referrersIn(step, state, pool).toSorted().join()}`);
    default:
      throw new Error(step.kind);
  }
}

/** Everything that can be asked of a repository. */
export function questionsAbout(repository: Repository, pool: Pool): readonly Step[] {
  const nothing = { repository, blob: 0, manifest: 0, tag: '', tags: [], from: undefined };
  return [
    ...pool.blobs.map((_, blob) => ({ ...nothing, kind: 'head blob' as const, blob })),
    ...pool.manifests.map((_, manifest) => ({
      ...nothing,
      kind: 'get manifest' as const,
      manifest,
    })),
    ...TAGS.map((tag) => ({ ...nothing, kind: 'get tag' as const, tag })),
    ...pool.subjects.map((_, manifest) => ({
      ...nothing,
      kind: 'list referrers' as const,
      manifest,
    })),
    { ...nothing, kind: 'list tags' },
  ];
}

/** The subject that a step asks about. */
export function subjectOf({ manifest }: Step, { subjects }: Pool): Digest | undefined {
  return subjects[manifest % subjects.length];
}

/** By an index that is there, where one may not lack what it lists. */
function isListed({ repository, manifest }: Step, { manifests }: State, pool: Pool): boolean {
  const digest = pool.manifests[manifest]?.digest;
  return (
    repository !== 'sparse' &&
    pool.manifests.some(
      (index) =>
        index.manifests.some((child) => child === digest) &&
        manifests.has(`${repository}@${index.digest}`),
    )
  );
}

function isMountable({ from, blob }: Step, { blobs }: State, pool: Pool): boolean {
  const places = from === undefined ? REPOSITORIES : [from];
  return places.some((place) => blobs.has(`${place}@${pool.blobs[blob]?.digest}`));
}

function pushed(step: Step, state: State, pool: Pool): Result {
  const { repository, tags } = step;
  const manifest = pool.manifests[step.manifest];
  if (manifest === undefined) throw new Error(`no manifest ${step.manifest}`);
  const isComplete =
    manifest.blobs.every((digest) => state.blobs.has(`${repository}@${digest}`)) &&
    manifest.manifests.every((digest) => state.manifests.has(`${repository}@${digest}`));
  if (!isComplete && repository !== 'sparse') {
    return { outcome: '400 MANIFEST_BLOB_UNKNOWN', state };
  }
  const { digest } = manifest;
  const pointed = tags.map((tag): [string, Digest] => [`${repository}:${tag}`, digest]);
  return {
    outcome: `201 ${digest}`,
    state: {
      ...state,
      manifests: new Set([...state.manifests, `${repository}@${digest}`]),
      tags: new Map([...state.tags, ...pointed]),
    },
  };
}

function withoutManifest(state: State, repository: Repository, manifest: string): State {
  const isOn = ([tag, digest]: readonly [string, Digest]): boolean =>
    tag.startsWith(`${repository}:`) && manifest === `${repository}@${digest}`;
  return {
    ...state,
    manifests: without(state.manifests, manifest),
    tags: new Map([...state.tags].filter((entry) => !isOn(entry))),
  };
}

function referrersIn(step: Step, { manifests }: State, pool: Pool): readonly Digest[] {
  const subject = subjectOf(step, pool);
  return pool.manifests
    .filter((manifest) => manifest.subject === subject)
    .filter(({ digest }) => manifests.has(`${step.repository}@${digest}`))
    .map(({ digest }) => digest);
}

function without(set: ReadonlySet<string>, gone: string): ReadonlySet<string> {
  return new Set([...set].filter((entry) => entry !== gone));
}
