/** What happens to an execution, told to whoever follows it: read from the rows, so that it is the same in each process. */
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database, Queries } from '../database/database.ts';
import { type Execution, findExecution } from './executions.ts';
import { type Task, taskOf } from './tasks.ts';

/** How much somebody has seen. */
export interface Seen {
  /** The last line of a log. */
  readonly line: number;
  /** The last task that ended: when, in milliseconds UTC, and its id. */
  readonly endedAt: number;
  readonly task: number;
}

export type Happening = { readonly seen: Seen } & (
  | { readonly kind: 'log'; readonly task: number; readonly at: number; readonly line: string }
  | { readonly kind: 'task'; readonly task: Task }
  /** Of the execution; `moving` are bytes of attempts that are under way, which its own do not have yet. */
  | { readonly kind: 'progress'; readonly execution: Execution; readonly moving: number }
  /** The last. */
  | { readonly kind: 'ended'; readonly execution: Execution }
);

export interface FollowOptions {
  /** Left out: what happens from now on. */
  readonly after?: Seen | undefined;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
}

const EVERY_MS = 1_000;
/** Lines, and tasks, of one batch: what a reader may have to keep in memory. */
const AT_ONCE = 200;

/**
 * A batch at each look, once a second: an empty one where nothing has happened. Ends with `ended` once the execution is over and all of it is
 * told, or with nothing where it is forgotten meanwhile. An abort rejects.
 */
export async function* followExecution(
  { read }: Pick<Database, 'read'>,
  id: number,
  { after, everyMs = EVERY_MS, signal }: FollowOptions,
): AsyncGenerator<readonly Happening[]> {
  let seen = after ?? (await newestOf(read, id));
  let told = '';
  for (;;) {
    signal.throwIfAborted();
    // Before what it is about: what ended it is there then, too.
    const execution = await findExecution(read, id);
    if (execution === undefined) return;
    const news = await newsOf(read, id, seen);
    seen = news.at(-1)?.seen ?? seen;
    const moving = await movingOf(read, id);
    const progress = JSON.stringify([execution, moving]);
    if (progress !== told) news.push({ kind: 'progress', execution, moving, seen });
    told = progress;
    const isOver = execution.status !== 'waiting' && execution.status !== 'running';
    const isAll = news.length < AT_ONCE;
    if (isOver && isAll) {
      yield [...news, { kind: 'ended', execution, seen }];
      return;
    }
    yield news;
    if (isAll) await delay(everyMs, undefined, { signal });
  }
}

async function newsOf(queries: Queries, execution: number, seen: Seen): Promise<Happening[]> {
  const lines = await queries
    .selectFrom('task_log')
    .innerJoin('tasks', 'tasks.id', 'task_log.task')
    .select(['task_log.id', 'task_log.task', 'task_log.at', 'task_log.line'])
    .where('task_log.id', '>', seen.line)
    .where('tasks.execution', '=', execution)
    .orderBy('task_log.id')
    .limit(AT_ONCE)
    .execute();
  const tasks = await queries
    .selectFrom('tasks')
    .selectAll()
    .where('execution', '=', execution)
    .where(sql<boolean>`(ended_at, id) > (${seen.endedAt}, ${seen.task})`)
    .orderBy('ended_at')
    .orderBy('id')
    .limit(AT_ONCE)
    .execute();
  const happened: Happening[] = [];
  let last = seen;
  for (const { id, ...line } of lines) {
    last = { ...last, line: id };
    happened.push({ kind: 'log', ...line, seen: last });
  }
  for (const row of tasks) {
    last = { ...last, endedAt: row.ended_at ?? last.endedAt, task: row.id };
    happened.push({ kind: 'task', task: taskOf(row), seen: last });
  }
  return happened;
}

/** Bytes of attempts that are under way. */
async function movingOf(queries: Queries, execution: number): Promise<number> {
  const { bytes } = await queries
    .selectFrom('tasks')
    .select(sql<number>`cast(coalesce(sum(progress), 0) as bigint)`.as('bytes'))
    .where('execution', '=', execution)
    .where('state', 'in', ['running', 'stopping'])
    .executeTakeFirstOrThrow();
  return bytes;
}

async function newestOf(queries: Queries, execution: number): Promise<Seen> {
  const line = await queries
    .selectFrom('task_log')
    .select((row) => row.fn.max('id').as('id'))
    .executeTakeFirst();
  const task = await queries
    .selectFrom('tasks')
    .select(['id', 'ended_at'])
    .where('execution', '=', execution)
    .where('ended_at', 'is not', null)
    .orderBy('ended_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return { line: line?.id ?? 0, endedAt: task?.ended_at ?? 0, task: task?.id ?? 0 };
}
