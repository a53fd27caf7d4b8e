/** Which tags of a repository a policy copies: select, then prune, and then what belongs to them. */
import { companionsOf, isCompanion } from '../../policies/replication-companions.ts';
import { needsTimes, tagsToCopy } from '../../policies/replication-pruning.ts';
import { selectsArtifact, selectsTag } from '../../policies/replication-selection.ts';
import { algorithmOf, type Digest, digestOf as digestOfBytes } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { parseManifest } from '../oci/manifest.ts';
import { UpstreamInvalid } from '../registry/errors.ts';
import type { Run } from './run.ts';
import type { Source, SourceTag, Waiting } from './sides.ts';

/** A tag that is copied. */
export interface ChosenTag {
  readonly name: string;
  /** Undefined where nobody asked, or the source would not say: whoever copies the tag finds out why, and fails alone. */
  readonly digest: Digest | undefined;
}

/** Questions about tags at the same time, as many as a registry's control lane takes without making others wait long. */
const MOST_AT_ONCE = 4;
/** Of indexes in indexes. */
const MOST_DEPTH = 4;
/** Of an image's configuration, which says when it was built. */
const MOST_CONFIG_BYTES = 4 * 1024 * 1024;

/** The tags of a repository, and those of them that the rules select by what a list says. */
export interface SelectedTags {
  readonly listed: readonly SourceTag[];
  readonly selected: readonly SourceTag[];
}

export async function selectedTags(
  { rules }: Pick<Run, 'rules'>,
  source: Source,
  repository: string,
  options: Waiting,
): Promise<SelectedTags> {
  const listed = await source.tags(repository, options);
  const selected = listed.filter(
    ({ name, labels = [] }) =>
      !isCompanion(name) &&
      selectsTag(name, rules.tags) &&
      selectsArtifact({ labels }, rules).isSelected,
  );
  return { listed, selected };
}

/**
 * Those that are left, in the order of their names. Companions, of those that are copied, come along with no rule of their
 * own. Where the list does not tell digests, and no rule asks for them, only those of tags that `isKnown` are asked for:
 * what is nowhere differs, whatever it is.
 */
export async function chosenTags(
  { listed, selected }: SelectedTags,
  asked: Asked,
  {
    isKnown,
    ...options
  }: Waiting & {
    readonly now: number;
    readonly isKnown: (tag: string) => boolean;
  },
): Promise<readonly ChosenTag[]> {
  const { rules, source, repository } = asked;
  const hasCompanions = rules.referrers && listed.some(({ name }) => isCompanion(name));
  const asksAll = rules.keep !== undefined || hasCompanions;
  const digestOfTag = (tag: string) => digestOf(source, repository, { tag, ...options });
  const resolved = await inBatches(selected, async ({ digest, ...tag }) => {
    const isAsked = digest === undefined && (asksAll || isKnown(tag.name));
    return { ...tag, digest: isAsked ? await digestOfTag(tag.name) : digest };
  });
  const chosen = await pruned(resolved, asked, options);
  const companions = hasCompanions ? companionsAmong(listed, chosen) : [];
  const beside = await inBatches(companions, async ({ name, digest }) => ({
    name,
    digest: digest ?? (await digestOfTag(name)),
  }));
  return [...chosen, ...beside].toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

interface ResolvedTag extends SourceTag {
  readonly digest: Digest | undefined;
}

/** What is wrong with one tag must not keep the others. */
async function digestOf(
  source: Source,
  repository: string,
  { tag, signal }: Waiting & { readonly tag: string },
): Promise<Digest | undefined> {
  try {
    return await source.digestOf(repository, tag, { signal });
  } catch (error) {
    if (isOfOne(error)) return undefined;
    throw error;
  }
}

/** Not what the host, or all of the repository, is the matter with. */
function isOfOne(error: unknown): boolean {
  return error instanceof OciError || error instanceof UpstreamInvalid;
}

export interface Asked extends Pick<Run, 'rules'> {
  readonly source: Source;
  readonly repository: string;
}

async function pruned(
  tags: readonly ResolvedTag[],
  { rules: { keep }, source, repository }: Asked,
  { signal, now }: Waiting & { readonly now: number },
): Promise<readonly ResolvedTag[]> {
  if (keep === undefined) return tags;
  const asks = needsTimes(keep);
  const dated = await inBatches(tags, async (tag) => {
    const isKnown = keep.by === 'pushed' && tag.pushedAt !== undefined;
    if (!asks || isKnown) return tag;
    const { digest } = tag;
    if (digest === undefined) return tag;
    try {
      return { ...tag, createdAt: await createdAt(source, { repository, digest }, { signal }) };
    } catch (error) {
      if (isOfOne(error)) return tag;
      throw error;
    }
  });
  return tagsToCopy(dated, keep, now).copied;
}

/** When the image was built, as its configuration says; of an index, its first image. Milliseconds UTC. */
async function createdAt(
  source: Source,
  {
    repository,
    digest,
    depth = 0,
  }: { readonly repository: string; readonly digest: Digest; readonly depth?: number },
  { signal }: Waiting,
): Promise<number | undefined> {
  if (depth > MOST_DEPTH) return undefined;
  const { bytes, descriptor } = await source.manifest(repository, digest, { signal });
  const { references } = parseManifest(bytes, descriptor.mediaType);
  const child = references.find(({ kind }) => kind === 'manifest');
  if (child !== undefined) {
    return createdAt(source, { repository, digest: child.digest, depth: depth + 1 }, { signal });
  }
  const config = references.find(({ kind }) => kind === 'config');
  if (config === undefined || config.size > MOST_CONFIG_BYTES) return undefined;
  const { content } = await source.blob(repository, config.digest, { start: 0 }, { signal });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    if (!(chunk instanceof Buffer)) continue;
    size += chunk.length;
    // More than the manifest promises: leaving the loop ends the transfer.
    if (size > config.size) return undefined;
    chunks.push(chunk);
  }
  const found = Buffer.concat(chunks);
  const isRight = digestOfBytes(found, algorithmOf(config.digest)) === config.digest;
  return isRight ? createdIn(found) : undefined;
}

function createdIn(config: Buffer): number | undefined {
  try {
    const json: unknown = JSON.parse(config.toString());
    const isObject = typeof json === 'object' && json !== null && 'created' in json;
    const moment = isObject && typeof json.created === 'string' ? Date.parse(json.created) : NaN;
    return Number.isNaN(moment) ? undefined : moment;
  } catch {
    // A configuration of another kind says nothing of the kind.
    return undefined;
  }
}

/** Tags that name the digest of one that is copied. */
function companionsAmong(
  listed: readonly SourceTag[],
  chosen: readonly ResolvedTag[],
): readonly SourceTag[] {
  const stems = new Set(
    chosen.flatMap(({ digest }) => (digest === undefined ? [] : companionsOf(digest).map(stemOf))),
  );
  return listed.filter(({ name }) => isCompanion(name) && stems.has(stemOf(name)));
}

function stemOf(tag: string): string {
  return tag.split('.', 1)[0] ?? '';
}

/** Answers in the order of the items. */
export async function inBatches<In, Out>(
  items: readonly In[],
  ask: (item: In) => Promise<Out>,
): Promise<readonly Out[]> {
  const answers: Out[] = [];
  for (let start = 0; start < items.length; start += MOST_AT_ONCE) {
    answers.push(...(await Promise.all(items.slice(start, start + MOST_AT_ONCE).map(ask))));
  }
  return answers;
}
