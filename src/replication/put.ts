/** The last step of a copy: manifests, and the tag when all else is there. */
import type { z } from 'zod';
import type { TaskOutcome } from '../jobs/task.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { parseManifest } from '../oci/manifest.ts';
import { UpstreamInvalid, UpstreamRefused } from '../registry/errors.ts';
import { referenceTask } from './expand.ts';
import type { PutManifests, SyncReference } from './payloads.ts';
import type { Planning } from './planning.ts';
import { tagAt } from './tag-at.ts';

interface Putting extends Omit<Planning, 'plan'> {
  readonly plan: z.output<typeof PutManifests>;
}

/**
 * What became of it: all is there; or the source's tag is another one by now, or was while it was put; or the destination
 * lacks content that it had when the copy was planned.
 */
type Put = 'copied' | 'moved' | 'copied, and moved' | 'content gone';

const REPLANNED = {
  moved: 'the tag moved',
  'copied, and moved': 'copied, and moved',
  'content gone': 'what it needs went away: it is looked at again',
} as const;

export async function putManifests(putting: Putting, signal: AbortSignal): Promise<TaskOutcome> {
  if (await isOutdated(putting, signal)) return replan(putting, 'moved');
  // Each blob was acknowledged, or there, some time ago: what a registry lost since is noticed before anybody pulls.
  if (await hasLostBlobs(putting, signal)) return replan(putting, 'content gone');
  const became = await put(putting, signal, async () => false);
  if (became === 'copied') return { note: became };
  return replan(putting, became);
}

function replan(putting: Putting, became: keyof typeof REPLANNED): TaskOutcome {
  const { run, source, destination } = putting;
  const again = referenceTask(run, source, replanned(putting, became), destination);
  return { next: [again], note: REPLANNED[became] };
}

/** @throws UpstreamInvalid where it was copied again and again, and is lost again and again */
async function hasLostBlobs(
  { plan, source, destination }: Putting,
  signal: AbortSignal,
): Promise<boolean> {
  const { host } = destination;
  // This node looks for all that a manifest needs when it keeps it.
  if (host === undefined) return false;
  const needed = new Set<Digest>();
  for (const digest of plan.manifests) {
    const { bytes, descriptor } = await source.manifest(plan.from, digest, { signal });
    const { references } = parseManifest(bytes, descriptor.mediaType);
    for (const { kind, optional, digest: blob } of references)
      if (kind !== 'manifest' && !optional) needed.add(blob);
  }
  const [lost] = await destination.missingBlobs(plan.to, [...needed], { signal });
  if (lost === undefined) return false;
  if (plan.attempt < MOST_PLANS) return true;
  throw new UpstreamInvalid(host, `it acknowledges ${lost}, and does not have it`);
}

/**
 * The same at the end of the task that planned it, when the tag was `held` at the destination: that task goes on from
 * there, where it has to be planned anew.
 */
export async function putAtOnce(
  putting: Putting,
  held: Digest | undefined,
  signal: AbortSignal,
): Promise<TaskOutcome> {
  const { plan, destination } = putting;
  const { to, tag } = plan;
  const isMovedHere = async (): Promise<boolean> =>
    tag !== undefined && (await destination.held(to, tag, { signal }))?.digest !== held;
  // Whichever side is this node is asked: that costs nothing.
  const isHere = destination.host === undefined;
  const became = await put(
    putting,
    signal,
    isHere ? isMovedHere : () => isOutdated(putting, signal),
  );
  if (became === 'copied') return { note: became };
  return { again: { payload: replanned(putting, became) }, note: REPLANNED[became] };
}

function replanned({ plan }: Putting, became: keyof typeof REPLANNED): SyncReference {
  const { manifests, isSparse: _, attempt, ...rest } = plan;
  return {
    ...rest,
    digest: manifests.at(-1),
    attempt: became === 'content gone' ? attempt + 1 : 0,
  };
}

async function put(
  putting: Putting,
  signal: AbortSignal,
  isTooLate: () => Promise<boolean>,
): Promise<Put> {
  const { plan, source, destination } = putting;
  const { from, to, tag } = plan;
  // Hours may have passed: what is copied now must not undo what was copied meanwhile.
  if (await isTooLate()) return 'moved';
  for (const [position, digest] of plan.manifests.entries()) {
    signal.throwIfAborted();
    const isTagged = position === plan.manifests.length - 1;
    const manifest = await source.manifest(from, digest, { signal });
    const asked = { tag: isTagged ? tag : undefined, isSparse: plan.isSparse, signal };
    try {
      await destination.put(to, manifest, asked);
    } catch (error) {
      if (!isMissingContent(error) || plan.attempt >= MOST_PLANS) throw error;
      return 'content gone';
    }
  }
  return (await isOutdated(putting, signal)) ? 'copied, and moved' : 'copied';
}

/** Times that a copy is planned whose content goes away again and again. */
const MOST_PLANS = 3;

/** Said by this node, or by the registry that the manifest went to. */
function isMissingContent(error: unknown): boolean {
  const isSaid = error instanceof OciError || error instanceof UpstreamRefused;
  return isSaid && error.code === 'MANIFEST_BLOB_UNKNOWN';
}

/** Whether the source's tag is another manifest by now, or none, or the destination's must not be moved. */
async function isOutdated(
  { run, plan, source, destination }: Putting,
  signal: AbortSignal,
): Promise<boolean> {
  const { from, to, tag, isAhead } = plan;
  const root = plan.manifests.at(-1);
  if (tag === undefined || isAhead) return false;
  if ((await tagAt(source, from, { tag, signal })) !== root) return true;
  if (run.rules.override) return false;
  const held = await destination.held(to, tag, { signal });
  return held !== undefined && held.digest !== root;
}
