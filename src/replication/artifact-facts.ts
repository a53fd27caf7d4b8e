/** What rules judge an artifact by that is not in its name. */
import { isCompanion, isSigned } from '../../policies/replication-companions.ts';
import { type ArtifactFacts, selectsTag } from '../../policies/replication-selection.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { type Manifest, parseManifest } from '../oci/manifest.ts';
import type { Planning } from './planning.ts';

/** What rules judge an artifact by, when all of it is known. What belongs to another goes where that goes. */
export async function artifactFacts(
  { run, plan, source }: Planning,
  { bytes, descriptor }: Manifest,
  size: number,
  signal: AbortSignal,
): Promise<ArtifactFacts> {
  const { mediaType, artifactType, subject } = parseManifest(bytes, descriptor.mediaType);
  const isBeside = subject !== undefined || (plan.tag !== undefined && isCompanion(plan.tag));
  if (isBeside) return {};
  const labels = await source.labels?.(plan.from, descriptor.digest);
  const facts = { mediaType, artifactType, size, ...(labels === undefined ? {} : { labels }) };
  if (!run.rules.signedOnly) return facts;
  const { digest } = descriptor;
  const referrers = await source.referrers(plan.from, digest, { signal });
  const tags = (await source.tags(plan.from, { signal })).map(({ name }) => name);
  return { ...facts, isSigned: isSigned(digest, { referrers, tags }) };
}

/**
 * Whether it signs, or describes, what the rules leave out: it goes where that goes, and nowhere else.
 *
 * @throws OciError UNAVAILABLE where that is on its way
 */
export async function belongsElsewhere(
  { run, plan, source, destination }: Planning,
  { bytes, descriptor }: Manifest,
  signal: AbortSignal,
): Promise<boolean> {
  const { tag } = plan;
  if (plan.isChosen === true || (tag !== undefined && !isCompanion(tag))) return false;
  const { subject } = parseManifest(bytes, descriptor.mediaType);
  const about = subject?.digest ?? (tag === undefined ? undefined : subjectOf(tag));
  if (about === undefined) return false;
  if ((await destination.held(plan.to, about, { signal })) !== undefined) return false;
  const named = (await source.tags(plan.from, { signal })).filter(({ digest }) => digest === about);
  const isLeftOut = named.length > 0 && !named.some(({ name }) => selectsTag(name, run.rules.tags));
  if (isLeftOut) return true;
  throw new OciError('UNAVAILABLE', { message: 'what it belongs to is not there as yet' });
}

/** The digest that a companion's tag names, as far as it says all of it. */
function subjectOf(tag: string): Digest | undefined {
  const digest = tag.split('.', 1)[0]?.replace('-', ':') ?? '';
  return isDigest(digest) ? digest : undefined;
}
