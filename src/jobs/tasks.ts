import type { Selectable } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { TaskRow, TaskState } from '../database/job-tables.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';
import { hostsOf } from './task.ts';

export interface Task {
  readonly id: number;
  readonly execution: number;
  readonly queue: string;
  readonly kind: string;
  readonly key: string | undefined;
  /** The task that does it for this one. */
  readonly follows: number | undefined;
  readonly hosts: readonly string[];
  readonly resource: string;
  readonly state: TaskState;
  readonly priority: number;
  /** Bytes: expected, moved in the attempt that is under way or was last, and moved in all attempts that ended. */
  readonly cost: number;
  readonly progress: number;
  readonly bytes: number;
  readonly payload: unknown;
  readonly attempts: number;
  readonly runAt: number | undefined;
  readonly note: string | undefined;
  /** How it failed last: the kind of a `Failure`, or `blocked` by a task that failed; and why. */
  readonly failure: string | undefined;
  readonly reason: string | undefined;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

const LISTING: Listing<Tables, 'tasks'> = {
  fields: {
    id: ['id', 'integer'],
    execution: ['execution', 'integer'],
    queue: ['queue', 'text'],
    kind: ['kind', 'text'],
    resource: ['resource', 'text'],
    state: ['state', 'text'],
    failure: ['failure', 'text'],
    createdAt: ['created_at', 'time'],
    startedAt: ['started_at', 'time'],
    endedAt: ['ended_at', 'time'],
  },
  order: { column: 'id', descending: false },
};

/** The oldest first. @throws ManagementError BAD_REQUEST */
export async function listTasks(queries: Queries, query: ListQuery): Promise<Listed<Task>> {
  const { items, total } = await listPage(queries.selectFrom('tasks').selectAll(), query, LISTING);
  return { items: items.map(taskOf), total };
}

export async function findTask(queries: Queries, id: number): Promise<Task | undefined> {
  const row = await queries.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst();
  return row && taskOf(row);
}

export function taskOf(row: Selectable<TaskRow>): Task {
  return {
    id: row.id,
    execution: row.execution,
    queue: row.queue,
    kind: row.kind,
    key: row.key ?? undefined,
    follows: row.follows ?? undefined,
    hosts: hostsOf(row.route),
    resource: row.resource,
    state: row.state,
    priority: row.priority,
    cost: row.cost,
    progress: row.progress,
    bytes: row.bytes,
    payload: JSON.parse(row.payload),
    attempts: row.attempts,
    runAt: row.run_at ?? undefined,
    note: row.note ?? undefined,
    failure: row.failure ?? undefined,
    reason: row.reason ?? undefined,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}
