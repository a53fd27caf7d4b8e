/** One attempt at a task: its handler, and what becomes of the task by what that does. */
import { taskFinished } from '../telemetry/channels.ts';
import { type RetryRules, settleFailure } from './failing.ts';
import { settleOutcome } from './outcomes.ts';
import { writeLines } from './progress.ts';
import { rearm } from './rearming.ts';
import { closeAttempt, heldTask, type Settle, type Settling } from './settling.ts';
import { type Failure, hostsOf, LeaseLost, type TaskHandlers, type TaskOutcome } from './task.ts';
import type { TaskRun } from './task-run.ts';

/** Somebody stopped the execution. */
export class TaskStopped extends Error {
  override readonly name = 'TaskStopped';
}
/** The task is to be done later, or elsewhere, as if it had not begun: the node stops, or it is paused. */
export class TaskReleased extends Error {
  override readonly name = 'TaskReleased';
}
class NoHandler extends Error {
  override readonly name = 'NoHandler';

  constructor(kind: string) {
    super(`this node does not know how to do ${kind}`);
  }
}

export interface AttemptOptions {
  readonly handlers: TaskHandlers;
  readonly classify: (error: unknown) => Failure;
  readonly random: () => number;
  readonly rules: RetryRules;
  readonly settle: Settle;
}

type AttemptEnd = Parameters<typeof taskFinished.publish>[0]['outcome'];

/** Resolves once the end is durable. Rejects where it could not be written: the lease lapses then, and the task is done again. */
export async function attempt(run: TaskRun, options: AttemptOptions): Promise<void> {
  try {
    const outcome = (await handle(run, options.handlers)) ?? {};
    await settle(run, options, (settling) =>
      settleOutcome(settling, run.task, { outcome, sent: run.sent }),
    );
  } catch (error) {
    const why: unknown = run.signal.aborted ? run.signal.reason : error;
    if (error instanceof LeaseLost || why instanceof LeaseLost) tell(run, 'lost');
    else await settleThrown(run, why, options);
  }
}

async function handle(run: TaskRun, handlers: TaskHandlers): Promise<TaskOutcome | undefined> {
  const { kind } = run.task;
  const handler = Object.hasOwn(handlers, kind) ? handlers[kind] : undefined;
  if (handler === undefined) throw new NoHandler(kind);
  run.signal.throwIfAborted();
  return handler(run.seenByHandler());
}

async function settleThrown(run: TaskRun, error: unknown, options: AttemptOptions): Promise<void> {
  const { task, sent } = run;
  const { rules, random } = options;
  const failure = failureOf(error, options);
  if (failure !== undefined) run.log(`attempt ${task.attempts}: ${failure.reason}`);
  try {
    await settle(
      run,
      options,
      (settling) =>
        failure === undefined
          ? release(settling, run)
          : settleFailure(settling, task, { failure, sent, rules, random }),
      failure?.reason,
    );
  } catch (lost) {
    if (!(lost instanceof LeaseLost)) throw lost;
    tell(run, 'lost');
  }
}

/** Undefined for one that has not failed. */
function failureOf(error: unknown, { classify }: AttemptOptions): Failure | undefined {
  if (error instanceof TaskReleased) return undefined;
  if (error instanceof TaskStopped) return { kind: 'permanent', reason: 'stopped' };
  if (error instanceof NoHandler) return { kind: 'permanent', reason: error.message };
  return classify(error);
}

async function release(settling: Settling, { task, sent }: TaskRun): Promise<AttemptEnd> {
  const held = await heldTask(settling, task);
  await closeAttempt(settling, held, sent);
  await rearm(settling, held, { attempts: held.attempts - 1 });
  return 'released';
}

async function settle(
  run: TaskRun,
  options: AttemptOptions,
  work: (settling: Settling) => Promise<AttemptEnd>,
  reason?: string,
): Promise<void> {
  const news = run.news();
  const end = await options.settle(async (settling) => {
    const ended = await work(settling);
    await writeLines(settling.transaction, run.task.id, news.lines);
    return ended;
  });
  tell(run, end, reason);
}

function tell({ task, sent, begunAt }: TaskRun, outcome: AttemptEnd, reason?: string): void {
  if (!taskFinished.hasSubscribers) return;
  const { id, execution, queue, kind, route, resource, attempts } = task;
  taskFinished.publish({
    task: id,
    execution,
    queue,
    kind,
    hosts: hostsOf(route),
    resource,
    outcome,
    attempt: attempts,
    bytes: sent,
    durationMs: performance.now() - begunAt,
    reason,
  });
}
