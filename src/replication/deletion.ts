import type { RunningTask, TaskOutcome } from '../jobs/task.ts';
import { referenceTask } from './expand.ts';
import { WOULD_DELETE } from './findings.ts';
import { DeleteTag } from './payloads.ts';
import type { Runs } from './run.ts';
import { tagAt } from './tag-at.ts';

const NOTES = {
  removed: 'deleted',
  'not there': 'skipped: it is not there',
  'another one': 'skipped: it was pushed anew',
} as const;

/** A tag that was deleted at the source and is not there again by now, or that a mirror has no more. */
export async function deleteTag(task: RunningTask, runs: Runs): Promise<TaskOutcome> {
  const { signal } = task;
  const run = await runs(task.execution);
  const { isMirrored, digest, ...place } = DeleteTag.parse(task.payload);
  const { from, to, destination: index, tag } = place;
  const source = await run.source();
  const isBack = async (): Promise<boolean> =>
    !isMirrored && (await tagAt(source, from, { tag, signal })) !== undefined;
  if (await isBack()) return { note: 'skipped: the source has it again' };
  if (run.isDryRun) return { note: WOULD_DELETE };
  const destination = await run.destination(index);
  const note = NOTES[await destination.removeTag(to, tag, { expected: digest, signal })];
  // Pushed between the two: its own copy may have been before this.
  return (await isBack())
    ? { next: [referenceTask(run, source, place, destination)], note }
    : { note };
}
