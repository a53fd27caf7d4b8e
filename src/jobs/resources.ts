/** An execution as people look at it: what its tasks are about, each with how all of those stand. */
import { sql } from 'kysely';
import { batchesOf } from '../database/batches.ts';
import type { Database, Queries } from '../database/database.ts';
import type { Listed } from '../database/listing.ts';

type ResourceStatus = 'waiting' | 'running' | 'failed' | 'stopped' | 'succeeded';

interface Resource {
  /** Of the first of its tasks. */
  readonly id: number;
  readonly execution: number;
  readonly resource: string;
  readonly status: ResourceStatus;
  /** Tasks. */
  readonly total: number;
  /** What a task of each kind that was asked for was told, where there is one. */
  readonly told: ReadonlyMap<string, unknown>;
  /** Milliseconds UTC. */
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
}

interface ResourceQuery {
  readonly status?: ResourceStatus | undefined;
  /** Kinds of tasks of which it is of interest what one of them was told. */
  readonly telling?: readonly string[];
  readonly offset: number;
  /** Undefined: all of them. */
  readonly limit: number | undefined;
}

/** What the tasks of executions are about. */
export interface Resources {
  /** In the order in which they came up. Tasks that are about nothing in particular are left out. */
  list(execution: number, query: ResourceQuery): Promise<Listed<Resource>>;
  /** The one of that first task. */
  get(execution: number, id: number): Promise<Omit<Resource, 'told'> | undefined>;
  /** How many there are of each status, by execution. */
  count(
    executions: readonly number[],
  ): Promise<ReadonlyMap<number, Readonly<Record<ResourceStatus, number>>>>;
}

export function resourcesIn({ read }: Pick<Database, 'read'>): Resources {
  return {
    list: (execution, query) => listResources(read, execution, query),
    get: (execution, id) => findResource(read, execution, id),
    count: (executions) => countResources(read, executions),
  };
}

async function listResources(
  queries: Queries,
  execution: number,
  { status, telling = [], offset, limit }: ResourceQuery,
): Promise<Listed<Resource>> {
  const all = resourceRows(queries, [execution]);
  const some = status === undefined ? all : all.where('status', '=', status);
  const { total } = await some
    .select((select) => select.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const page = some.selectAll().orderBy('id').offset(offset);
  const rows = await (limit === undefined ? page : page.limit(limit)).execute();
  const told = await toldOf(queries, { execution, telling }, rows);
  return {
    items: rows.map((row) => ({ ...resourceOf(row), told: told.get(row.resource) ?? new Map() })),
    total,
  };
}

async function toldOf(
  queries: Queries,
  { execution, telling }: { readonly execution: number; readonly telling: readonly string[] },
  rows: readonly { readonly resource: string }[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, unknown>>> {
  const told = new Map<string, Map<string, unknown>>();
  if (telling.length === 0) return told;
  for (const batch of batchesOf(rows.map(({ resource }) => resource))) {
    const tasks = await queries
      .selectFrom('tasks')
      .select((select) => ['resource', 'kind', select.fn.max('payload').as('payload')])
      .where('execution', '=', execution)
      .where('resource', 'in', batch)
      .where('kind', 'in', telling)
      .groupBy(['resource', 'kind'])
      .execute();
    for (const { resource, kind, payload } of tasks) {
      const ofResource = told.get(resource) ?? new Map<string, unknown>();
      told.set(resource, ofResource.set(kind, JSON.parse(payload)));
    }
  }
  return told;
}

async function findResource(
  queries: Queries,
  execution: number,
  id: number,
): Promise<Omit<Resource, 'told'> | undefined> {
  const row = await resourceRows(queries, [execution])
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
  return row && resourceOf(row);
}

async function countResources(
  queries: Queries,
  executions: readonly number[],
): Promise<ReadonlyMap<number, Readonly<Record<ResourceStatus, number>>>> {
  const counts = new Map(executions.map((id) => [id, { ...NONE }]));
  if (executions.length === 0) return counts;
  const rows = await resourceRows(queries, executions)
    .select((select) => ['execution', 'status', select.fn.countAll<number>().as('count')])
    .groupBy(['execution', 'status'])
    .execute();
  for (const { execution, status, count } of rows) {
    const known = counts.get(execution);
    if (known !== undefined) known[status] = count;
  }
  return counts;
}

const NONE: Readonly<Record<ResourceStatus, number>> = {
  waiting: 0,
  running: 0,
  failed: 0,
  stopped: 0,
  succeeded: 0,
};

function resourceRows(queries: Queries, executions: readonly number[]) {
  const grouped = queries
    .selectFrom('tasks')
    .select((select) => [
      select.fn.min('id').as('id'),
      'execution',
      'resource',
      select.fn.countAll<number>().as('total'),
      select.fn.min('started_at').as('started_at'),
      select.fn.max('ended_at').as('ended_at'),
      sql<ResourceStatus>`case
        when sum(case when state in ('running', 'stopping') then 1 else 0 end) > 0 then 'running'
        when sum(case when ended_at is null then 1 else 0 end) = count(*) then 'waiting'
        when sum(case when ended_at is null then 1 else 0 end) > 0 then 'running'
        when sum(case when state = 'failed' then 1 else 0 end) > 0 then 'failed'
        when sum(case when state = 'stopped' then 1 else 0 end) > 0 then 'stopped'
        else 'succeeded' end`.as('status'),
    ])
    .where('execution', 'in', executions)
    .where('resource', '!=', '')
    .groupBy(['execution', 'resource']);
  return queries.selectFrom(grouped.as('resources'));
}

type ResourceRow = Awaited<ReturnType<ReturnType<typeof resourceQuery>['executeTakeFirstOrThrow']>>;

function resourceQuery(queries: Queries) {
  return resourceRows(queries, []).selectAll();
}

function resourceOf(row: ResourceRow): Omit<Resource, 'told'> {
  const isOver = !['waiting', 'running'].includes(row.status);
  return {
    id: row.id,
    execution: row.execution,
    resource: row.resource,
    status: row.status,
    total: row.total,
    startedAt: row.started_at ?? undefined,
    endedAt: isOver ? (row.ended_at ?? undefined) : undefined,
  };
}
