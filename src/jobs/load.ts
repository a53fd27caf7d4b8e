/** What there is to do, told by the rows that count it: what it costs does not depend on how many tasks there are. */
import { sql } from 'kysely';
import type { Database, Queries } from '../database/database.ts';
import type { TaskState } from '../database/job-tables.ts';
import { ACTIVE } from './executions.ts';
import { hostsOf } from './task.ts';

/** Times are milliseconds UTC. */
interface Load {
  /** By queue and the hosts that they load: tasks that may begin, and that are worked on. */
  readonly lanes: readonly {
    readonly queue: string;
    readonly hosts: readonly string[];
    readonly ready: number;
    readonly running: number;
  }[];
  /** When the oldest task was made that may begin. */
  readonly oldestReady: number | undefined;
  /** Of queues with an execution that is not over: tasks that are not over, and when the first of those executions was made. */
  readonly backlogs: readonly {
    readonly queue: string;
    readonly tasks: number;
    readonly since: number;
  }[];
}

/** What some executions still have to do. */
interface Backlog {
  /** By kind of task: those that are not over, and the bytes that they are expected to move beyond what they have. */
  readonly kinds: ReadonlyMap<string, { readonly tasks: number; readonly bytes: number }>;
}

export interface Loads {
  /** What there is to do now. Cheap, however much it is. */
  load(): Promise<Load>;
  /** What these executions still have to do. Reads their tasks that are not over. */
  backlog(executions: readonly number[]): Promise<Backlog>;
}

export function loadIn({ read }: Pick<Database, 'read'>): Loads {
  return {
    load: () => readLoad(read),
    backlog: (executions) => readBacklog(read, executions),
  };
}

async function readLoad(queries: Queries): Promise<Load> {
  const lanes = await queries
    .selectFrom('job_lanes')
    .select([
      'queue',
      'route',
      sql<number>`cast(sum(ready) as bigint)`.as('ready'),
      sql<number>`cast(sum(running) as bigint)`.as('running'),
    ])
    .where((row) => row.or([row('ready', '>', 0), row('running', '>', 0)]))
    .groupBy(['queue', 'route'])
    .orderBy('queue')
    .execute();
  const oldest = await queries
    .selectFrom('tasks')
    .select('created_at')
    .where('state', '=', sql.lit<TaskState>('ready'))
    .orderBy('created_at')
    .limit(1)
    .executeTakeFirst();
  const backlogs = await queries
    .selectFrom('executions')
    .select((row) => [
      'queue',
      sql<number>`cast(sum(live) as bigint)`.as('tasks'),
      row.fn.min('created_at').as('since'),
    ])
    .where('status', 'in', ACTIVE)
    .groupBy('queue')
    .execute();
  return {
    lanes: lanes.map(({ route, ...lane }) => ({ ...lane, hosts: hostsOf(route) })),
    oldestReady: oldest?.created_at,
    backlogs: backlogs.map((backlog) => ({ ...backlog })),
  };
}

async function readBacklog(queries: Queries, executions: readonly number[]): Promise<Backlog> {
  const rows = await queries
    .selectFrom('tasks')
    .select((row) => [
      'kind',
      row.fn.countAll<number>().as('count'),
      sql<number>`cast(sum(case when cost > progress then cost - progress else 0 end) as bigint)`.as(
        'bytes',
      ),
    ])
    .where('execution', 'in', executions.length === 0 ? [0] : executions)
    .where('state', 'in', ['waiting', 'ready', 'delayed', 'running', 'stopping'])
    .groupBy('kind')
    .execute();
  return {
    kinds: new Map(rows.map(({ kind, count, bytes }) => [kind, { tasks: count, bytes }])),
  };
}
