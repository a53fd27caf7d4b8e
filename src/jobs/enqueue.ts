import { z } from 'zod';
import type { WriteTransaction } from '../database/database.ts';
import type { ExecutionTrigger } from '../database/job-tables.ts';
import { ACTIVE } from './executions.ts';
import { lockJobs } from './lock.ts';
import { addTasks } from './new-tasks.ts';
import { ensureQueue } from './shares.ts';
import { type Ended, endOf, Tally } from './tally.ts';
import type { Json, NewTask } from './task.ts';

export interface NewExecution {
  /** Whose it is: `replication`. */
  readonly kind: string;
  readonly queue: string;
  readonly trigger: ExecutionTrigger;
  /** Who wanted it. */
  readonly operator: string;
  /** When the schedule wanted it, milliseconds UTC: of one queue and time there is one. */
  readonly scheduledFor?: number | undefined;
  /**
   * One such execution of the queue is active. Another one waits until it is over, and what is asked for meanwhile
   * becomes part of the one that waits.
   */
  readonly exclusive?: boolean | undefined;
  readonly facts?: Json | undefined;
  readonly tasks: readonly NewTask[];
}

/** @returns undefined where that scheduled time had its execution already */
export async function addExecution(
  transaction: WriteTransaction,
  execution: NewExecution,
  now: number,
): Promise<{ readonly id: number; readonly ended: readonly Ended[] } | undefined> {
  await lockJobs(transaction);
  await ensureQueue(transaction, execution.queue);
  if (await wasScheduled(transaction, execution)) return undefined;
  const active = execution.exclusive === true ? await exclusiveOf(transaction, execution) : [];
  const waiting = active.find(({ status }) => status === 'waiting');
  if (waiting !== undefined) {
    const held = [...heldTasks(waiting.held_tasks)];
    await transaction
      .updateTable('executions')
      .set({ held_tasks: JSON.stringify(together(held, execution.tasks)) })
      .where('id', '=', waiting.id)
      .execute();
    return { id: waiting.id, ended: [] };
  }
  const waits = active.length > 0;
  const { id } = await transaction
    .insertInto('executions')
    .values({
      kind: execution.kind,
      queue: execution.queue,
      trigger: execution.trigger,
      operator: execution.operator,
      status: waits ? 'waiting' : 'running',
      exclusive: execution.exclusive === true ? 1 : 0,
      stopping: 0,
      facts: JSON.stringify(execution.facts ?? {}),
      held_tasks: waits ? JSON.stringify(execution.tasks) : null,
      scheduled_for: execution.scheduledFor ?? null,
      total: 0,
      live: 0,
      succeeded: 0,
      failed: 0,
      stopped: 0,
      bytes: 0,
      created_at: now,
      started_at: waits ? null : now,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  if (waits) return { id, ended: [] };
  return { id, ended: await begin(transaction, { ...execution, id, now }) };
}

/** Those that waited for these begin. @returns those that are over at once, having nothing to do */
export async function beginWaiting(
  transaction: WriteTransaction,
  ended: readonly Ended[],
  now: number,
): Promise<readonly Ended[]> {
  const over: Ended[] = [];
  for (const { queue, exclusive } of ended) {
    if (!exclusive) continue;
    const active = await exclusiveOf(transaction, { queue });
    const [next] = active;
    if (next === undefined || next.status !== 'waiting') continue;
    await transaction
      .updateTable('executions')
      .set({ status: 'running', held_tasks: null, started_at: now })
      .where('id', '=', next.id)
      .execute();
    const tasks = heldTasks(next.held_tasks);
    const empty = await begin(transaction, { queue, tasks, id: next.id, now });
    over.push(...empty, ...(await beginWaiting(transaction, empty, now)));
  }
  return over;
}

async function begin(
  transaction: WriteTransaction,
  execution: Pick<NewExecution, 'queue' | 'tasks'> & { readonly id: number; readonly now: number },
): Promise<readonly Ended[]> {
  const { id, queue, tasks, now } = execution;
  if (tasks.length === 0) return [await endEmpty(transaction, id, now)];
  const tally = new Tally();
  await addTasks({ transaction, tally, now, facts: [] }, tasks, { execution: id, queue });
  return tally.write(transaction, now);
}

async function endEmpty(transaction: WriteTransaction, id: number, now: number): Promise<Ended> {
  const execution = await transaction
    .updateTable('executions')
    .set({ status: 'succeeded', ended_at: now })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return endOf(execution, now);
}

async function wasScheduled(
  transaction: WriteTransaction,
  { queue, scheduledFor }: NewExecution,
): Promise<boolean> {
  if (scheduledFor === undefined) return false;
  const there = await transaction
    .selectFrom('executions')
    .select('id')
    .where('queue', '=', queue)
    .where('scheduled_for', '=', scheduledFor)
    .executeTakeFirst();
  return there !== undefined;
}

/** Those that are not over, the active one first. */
export async function exclusiveOf(
  transaction: WriteTransaction,
  { queue }: Pick<NewExecution, 'queue'>,
) {
  return transaction
    .selectFrom('executions')
    .select(['id', 'status', 'held_tasks'])
    .where('queue', '=', queue)
    .where('exclusive', '=', 1)
    .where('status', 'in', ACTIVE)
    .orderBy('status')
    .execute();
}

function heldTasks(json: string | null): readonly NewTask[] {
  return json === null ? [] : HeldTasks.parse(JSON.parse(json));
}

/** A batch that is in the other already adds nothing. */
function together(held: readonly NewTask[], tasks: readonly NewTask[]): readonly NewTask[] {
  const added = JSON.stringify(tasks);
  const isThere = held.some(
    (_, start) => JSON.stringify(held.slice(start, start + tasks.length)) === added,
  );
  if (isThere || tasks.length === 0) return held;
  const moved = (index: number): number => index + held.length;
  return [...held, ...tasks.map((task) => ({ ...task, after: task.after?.map(moved) }))];
}

const HeldTasks = z.array(
  z.object({
    kind: z.string(),
    key: z.string().optional(),
    hosts: z.array(z.string()),
    priority: z.number().optional(),
    cost: z.number(),
    payload: z.json(),
    resource: z.string().optional(),
    after: z.array(z.number()).optional(),
  }),
);
