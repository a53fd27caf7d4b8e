/** The last step of a copy: manifests, and the tag when all else is there. */
import type { z } from 'zod';
import type { NewTask, TaskOutcome } from '../jobs/task.ts';
import type { Digest } from '../oci/digest.ts';
import { OciError } from '../oci/error.ts';
import { referenceTask } from './expand.ts';
import type { PutManifests } from './payloads.ts';
import type { Planning } from './planning.ts';
import { tagAt } from './tag-at.ts';

interface Putting extends Omit<Planning, 'plan'> {
  readonly plan: z.output<typeof PutManifests>;
}

export async function putManifests(putting: Putting, signal: AbortSignal): Promise<TaskOutcome> {
  const { run, plan, source, destination, manifests } = putting;
  const { from, to, destination: index, tag } = plan;
  const root = plan.manifests.at(-1);
  const replan = (): NewTask =>
    referenceTask(run, source, { from, to, destination: index, tag, digest: root }, destination);
  // Hours may have passed: what is copied now must not undo what was copied meanwhile.
  if (await isOutdated(putting, root, signal)) return { next: [replan()], note: 'the tag moved' };
  for (const [position, digest] of plan.manifests.entries()) {
    signal.throwIfAborted();
    const isTagged = position === plan.manifests.length - 1;
    const manifest = await manifests.read(source, { repository: from, digest, signal });
    const asked = { tag: isTagged ? tag : undefined, isSparse: plan.isSparse, signal };
    try {
      await destination.put(to, manifest, asked);
    } catch (error) {
      if (!isMissingContent(error) || plan.attempt >= MOST_PLANS) throw error;
      const again = { from, to, destination: index, tag, digest: root, attempt: plan.attempt + 1 };
      const next = [referenceTask(run, source, again, destination)];
      return { next, note: 'what it needs went away: it is looked at again' };
    }
  }
  const isMoved = await isOutdated(putting, root, signal);
  return isMoved ? { next: [replan()], note: 'copied, and moved' } : { note: 'copied' };
}

/** Times that a copy is planned whose content goes away again and again. */
const MOST_PLANS = 3;

function isMissingContent(error: unknown): boolean {
  return error instanceof OciError && error.code === 'MANIFEST_BLOB_UNKNOWN';
}

/** Whether the source's tag is another manifest by now, or none, or the destination's must not be moved. */
async function isOutdated(
  { run, plan, source, destination }: Putting,
  root: Digest | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { from, to, tag, isAhead } = plan;
  if (tag === undefined || isAhead) return false;
  if ((await tagAt(source, from, { tag, signal })) !== root) return true;
  if (run.rules.override) return false;
  const held = await destination.held(to, tag, { signal });
  return held !== undefined && held.digest !== root;
}
