import type { RunningTask, TaskOutcome } from '../jobs/task.ts';
import { OciError } from '../oci/error.ts';
import { DeleteTag } from './payloads.ts';
import type { Runs } from './run.ts';
import type { Source } from './sides.ts';

/** A tag that was deleted at the source and is not there again by now, or that a mirror has no more. */
export async function deleteTag(task: RunningTask, runs: Runs): Promise<TaskOutcome> {
  const { signal } = task;
  const run = await runs(task.execution);
  const { from, to, destination: index, tag, isMirrored } = DeleteTag.parse(task.payload);
  if (!isMirrored && (await isThere(await run.source(), from, { tag, signal }))) {
    return { note: 'skipped: the source has it again' };
  }
  if (run.isDryRun) return { note: 'would delete' };
  const destination = await run.destination(index);
  const wasThere = await destination.removeTag(to, tag, { signal });
  return { note: wasThere ? 'deleted' : 'skipped: it is not there' };
}

async function isThere(
  source: Source,
  repository: string,
  { tag, signal }: { readonly tag: string; readonly signal: AbortSignal },
): Promise<boolean> {
  try {
    await source.digestOf(repository, tag, { signal });
    return true;
  } catch (error) {
    const isUnknown =
      error instanceof OciError && ['MANIFEST_UNKNOWN', 'NAME_UNKNOWN'].includes(error.code);
    if (isUnknown) return false;
    throw error;
  }
}
