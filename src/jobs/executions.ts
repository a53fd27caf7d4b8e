import { type Selectable, sql } from 'kysely';
import type { Queries } from '../database/database.ts';
import type { ExecutionRow, ExecutionStatus, ExecutionTrigger } from '../database/job-tables.ts';
import { type Listed, type Listing, type ListQuery, listPage } from '../database/listing.ts';
import type { Tables } from '../database/tables.ts';

export interface Execution {
  readonly id: number;
  readonly kind: string;
  readonly queue: string;
  readonly trigger: ExecutionTrigger;
  readonly operator: string;
  readonly status: ExecutionStatus;
  /** Somebody stopped it, and what ran then may still run. */
  readonly isStopping: boolean;
  readonly facts: unknown;
  readonly scheduledFor: number | undefined;
  /** Tasks: all, those that are not over, and the others by how they ended. */
  readonly total: number;
  readonly live: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly stopped: number;
  readonly bytes: number;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

/** Those that are not over, written out: what is bound finds no index of some rows alone. */
export const ACTIVE = [sql.lit<ExecutionStatus>('waiting'), sql.lit<ExecutionStatus>('running')];

/** Those that somebody stopped and that are not over: tasks of them may be ready still. */
export async function stoppingExecutions(
  queries: Queries,
): Promise<readonly Pick<Execution, 'id' | 'queue'>[]> {
  return queries
    .selectFrom('executions')
    .select(['id', 'queue'])
    .where('status', 'in', ACTIVE)
    .where('stopping', '=', 1)
    .execute();
}

const LISTING: Listing<Tables, 'executions'> = {
  fields: {
    id: ['id', 'integer'],
    kind: ['kind', 'text'],
    queue: ['queue', 'text'],
    trigger: ['trigger', 'text'],
    operator: ['operator', 'text'],
    status: ['status', 'text'],
    exclusive: ['exclusive', 'flag'],
    createdAt: ['created_at', 'time'],
    startedAt: ['started_at', 'time'],
    endedAt: ['ended_at', 'time'],
  },
  order: { column: 'id', descending: true },
};

/** The newest first. Fields: those of an execution that are no counters. @throws ManagementError BAD_REQUEST */
export async function listExecutions(
  queries: Queries,
  query: ListQuery,
): Promise<Listed<Execution>> {
  const { items, total } = await listPage(
    queries.selectFrom('executions').selectAll(),
    query,
    LISTING,
  );
  return { items: items.map(executionOf), total };
}

export async function findExecution(queries: Queries, id: number): Promise<Execution | undefined> {
  const row = await queries
    .selectFrom('executions')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row && executionOf(row);
}

function executionOf(row: Selectable<ExecutionRow>): Execution {
  return {
    id: row.id,
    kind: row.kind,
    queue: row.queue,
    trigger: row.trigger,
    operator: row.operator,
    status: row.status,
    isStopping: row.stopping === 1 && row.ended_at === null,
    facts: JSON.parse(row.facts),
    scheduledFor: row.scheduled_for ?? undefined,
    total: row.total,
    live: row.live,
    succeeded: row.succeeded,
    failed: row.failed,
    stopped: row.stopped,
    bytes: row.bytes,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
  };
}
