/**
 * A mirror loses what its source has no more, and no more of it in one run than its policy allows: each repository says
 * what it would lose, and nothing is deleted before all of them have.
 */
import { isCompanion } from '../../policies/replication-companions.ts';
import { deletionLimit, tagsToDelete } from '../../policies/replication-mirror.ts';
import { selectsTag } from '../../policies/replication-selection.ts';
import type { NewTask, RunningTask, TaskOutcome } from '../jobs/task.ts';
import { ManagementError } from '../oci/management-error.ts';
import { type ChosenTag, inBatches } from './choice.ts';
import { type DeleteTag, type Place, PruneRepository } from './payloads.ts';
import { type Asker, keyOf, type Run, type Runs } from './run.ts';
import { type Destination, hostsOf, type SourceTag, type Waiting } from './sides.ts';

/** One repository at one destination. */
interface Mirrored {
  readonly place: Place;
  readonly to: Destination;
  /** All that the policy copies there. */
  readonly chosen: readonly ChosenTag[];
  /** All that the source has. */
  readonly listed: readonly SourceTag[];
}

/** Tasks of one kind in an execution. */
export type TasksOf = (
  execution: number,
  kind: string,
) => AsyncIterable<{ readonly state: string; readonly payload: unknown }>;

/** When it is asked again whether all were looked at, where one that had failed is done again. */
const LOOK_AGAIN_MS = 1_000;
const OVER = new Set(['failed', 'stopped']);

/**
 * To delete tags there; none where the policy is no mirror.
 *
 * @throws ManagementError PRECONDITION where the source has nothing at all, which is taken for a broken one
 */
export async function deletionsAt(
  run: Run,
  { place, to, chosen, listed }: Mirrored,
  { signal }: Waiting,
): Promise<readonly NewTask[]> {
  const { rules } = run;
  if (rules.prune === undefined) return [];
  const there = await to.listed(place.to, { signal });
  const wanted = wantedOf(rules, { chosen, listed });
  const atSource = new Set(listed.map(({ name }) => name));
  // Hours may pass until they go: what somebody pushes there meanwhile is told from them by what they are now.
  const asked = await inBatches(
    tagsToDelete({ wanted, there }, rules.tags),
    async ({ name: tag, digest }) => ({
      tag,
      digest: digest ?? (await to.held(place.to, tag, { signal }))?.digest,
      isMirrored: atSource.has(tag),
    }),
  );
  const gone = asked.filter(({ digest }) => digest !== undefined);
  const selected = there.filter(({ name }) => selectsTag(name, rules.tags)).length;
  if (gone.length > 0 && chosen.length === 0 && typeof rules.prune.atMost !== 'number') {
    const message = `${place.from} has no tag that is selected any more, and ${place.to} would lose all ${gone.length}: nothing is deleted`;
    throw new ManagementError('PRECONDITION', message);
  }
  const payload: PruneRepository = { ...place, selected, gone };
  return [
    {
      ...taskOf(run, hostsOf({ host: undefined }, to)),
      kind: 'prune-repository',
      payload,
      resource: place.from,
    },
  ];
}

/** Names of what must not go. */
function wantedOf(
  { referrers }: Pick<Run['rules'], 'referrers'>,
  { chosen, listed }: Pick<Mirrored, 'chosen' | 'listed'>,
): readonly string[] {
  const names = chosen.map(({ name }) => name);
  const isAllKnown = chosen.every(({ digest }) => digest !== undefined);
  if (referrers && isAllKnown) return names;
  // Nobody found out which of them belong to what is copied.
  return [...names, ...listed.map(({ name }) => name).filter(isCompanion)];
}

/** The tasks, and who waits for them and all that they lead to before a mirror deletes anything. */
export function beforeDeletions(run: Run, tasks: readonly NewTask[]): readonly NewTask[] {
  if (run.rules.prune === undefined) return tasks;
  return [...tasks, { ...limitTask(run), after: tasks.map((_, index) => index) }];
}

/** The deletions, held until it is known how many there are; `index`: of the first of these tasks in its batch. */
export function withinLimit(
  run: Run,
  deletions: readonly NewTask[],
  index: number,
): readonly NewTask[] {
  if (deletions.length === 0) return [];
  return [limitTask(run), ...deletions.map((task) => ({ ...task, after: [index] }))];
}

function limitTask(run: Run): NewTask {
  const key = `${keyOf(run, 'limit')} ${run.execution}`;
  return { ...taskOf(run, []), kind: 'limit-deletions', key, payload: {} };
}

function taskOf({ rules: { priority } }: Asker, hosts: readonly string[]) {
  return { hosts, cost: 0, priority } as const;
}

/** @throws ManagementError PRECONDITION where the run would delete more than it may: then it deletes nothing */
export async function limitDeletions(
  { execution }: RunningTask,
  runs: Runs,
  { tasksOf, now }: { readonly tasksOf: TasksOf; readonly now: () => number },
): Promise<TaskOutcome> {
  const { rules } = await runs(execution);
  if (rules.prune === undefined) return {};
  for await (const { state } of tasksOf(execution, 'expand-repository')) {
    if (state === 'succeeded') continue;
    if (!OVER.has(state)) return { again: { payload: {}, at: now() + LOOK_AGAIN_MS } };
    const message = 'not every repository could be looked at: nothing is deleted';
    throw new ManagementError('PRECONDITION', message);
  }
  let selected = 0;
  let gone = 0;
  for await (const { payload } of tasksOf(execution, 'prune-repository')) {
    const plan = PruneRepository.parse(payload);
    selected += plan.selected;
    gone += plan.gone.length;
  }
  const most = deletionLimit(selected, rules.prune);
  if (gone <= most) return { note: `${gone} of ${selected} tags to delete` };
  const message = `${gone} of ${selected} tags would be deleted, and ${most} may be: nothing is deleted`;
  throw new ManagementError('PRECONDITION', message);
}

/** Within the limit. */
export async function pruneRepository(
  { execution, payload }: RunningTask,
  runs: Runs,
): Promise<TaskOutcome> {
  const run = await runs(execution);
  const { gone, selected: _, ...place } = PruneRepository.parse(payload);
  const to = await run.destination(place.destination);
  return { next: gone.map((tag) => deletionTask(run, { ...place, ...tag }, to)) };
}

export function deletionTask(
  asker: Asker,
  payload: DeleteTag,
  destination: Pick<Destination, 'endpoint' | 'host'>,
): NewTask {
  const reference = [payload.tag, payload.digest].filter((part) => part !== undefined).join('@');
  return {
    ...taskOf(asker, hostsOf({ host: undefined }, destination)),
    kind: 'delete-tag',
    key: `${keyOf(asker, 'delete')} ${destination.endpoint} ${payload.to} ${reference}`,
    payload,
    resource: payload.from,
  };
}
