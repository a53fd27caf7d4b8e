import { countPending, insertDependencies } from './dependencies.ts';
import { endStopped, endTasks } from './endings.ts';
import { hostsWork } from './hosts.ts';
import { promoteFollower } from './leading.ts';
import { addTasks } from './new-tasks.ts';
import { rearm } from './rearming.ts';
import { closeAttempt, heldTask, type Settling } from './settling.ts';
import { type Claim, type ClaimedTask, hostsOf, type TaskOutcome } from './task.ts';

/** Nothing that went wrong before counts any more. */
const GETS_ON = { attempts: 0, away_since: null };

/**
 * The handler returned, having told of `sent` bytes. Everything in `outcome` is true with it, or nothing.
 *
 * @param claim with the execution that the handler worked for
 * @throws LeaseLost
 */
export async function settleOutcome(
  settling: Settling,
  claim: Claim & Pick<ClaimedTask, 'execution'>,
  { outcome, sent }: { readonly outcome: TaskOutcome; readonly sent: number },
): Promise<'succeeded' | 'again' | 'stopped'> {
  const task = await heldTask(settling, claim);
  const { next = [], again, notBefore, note, bytes = sent } = outcome;
  await closeAttempt(settling, task, bytes);
  // Nothing new begins in an execution that was stopped: what led to it is done again when somebody wants it.
  const goesOn = next.length > 0 || again !== undefined || notBefore !== undefined;
  if (goesOn && task.state === 'stopping') {
    await endStopped(settling, task);
    return 'stopped';
  }
  // Nor what another execution had in mind, from which this one has the task.
  if (goesOn && task.execution !== claim.execution) {
    await rearm(settling, task, GETS_ON);
    return 'again';
  }
  if (notBefore !== undefined) {
    const attempts = task.attempts - 1;
    await rearm(settling, task, { attempts, note: note ?? null, runAt: notBefore });
    return 'again';
  }
  await hostsWork(settling, hostsOf(task.route));
  await outcome.alongside?.(settling.transaction);
  const { execution, queue } = task;
  const ids = await addTasks(settling, next, { execution, queue });
  const replacing = ids.filter((_, index) => next[index]?.replaces === true);
  await passOn(settling, task, replacing);
  if (again !== undefined) {
    const payload = JSON.stringify(again.payload);
    await rearm(settling, task, { ...GETS_ON, payload, note: note ?? null, runAt: again.at });
    return 'again';
  }
  // What was asked for is not there yet: a follower that asks again follows those that bring it.
  const isDone = replacing.length === 0;
  await endTasks(settling, [task], { state: 'succeeded', note }, { endsFollowers: isDone });
  if (!isDone) await promoteFollower(settling, task.id);
  return 'succeeded';
}

/** Who waits for the task waits for these too. */
async function passOn(
  { transaction }: Settling,
  task: ClaimedTask,
  replacing: readonly number[],
): Promise<void> {
  if (replacing.length === 0) return;
  const dependents = await transaction
    .selectFrom('task_dependencies')
    .innerJoin('tasks', 'tasks.id', 'task_dependencies.task')
    .select('tasks.id')
    .where('blocker', '=', task.id)
    .where('state', '=', 'waiting')
    .execute();
  const blockers = [...new Set(replacing)];
  await insertDependencies(
    transaction,
    dependents.flatMap(({ id }) =>
      // One that is there already may be the very one that waits.
      blockers.filter((blocker) => blocker !== id).map((blocker) => ({ task: id, blocker })),
    ),
  );
  await countPending(
    transaction,
    dependents.map(({ id }) => id),
  );
}
