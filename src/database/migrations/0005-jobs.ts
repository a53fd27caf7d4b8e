/** What is to be done, durably: `job-tables.ts` says what the columns mean. */
import { sql } from 'kysely';
import type { Engine } from '../engine.ts';
import type { Migration } from '../migration.ts';

export const jobs: Migration = {
  async up(transaction, { engine }) {
    const statements = [
      ...executionTables(engine),
      ...taskTables(engine),
      ...claimTables(engine),
      ...clockTables(engine),
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};

const executionTables = ({ id, integer, text, table }: Engine): readonly string[] => [
  `create table executions (
    id ${id},
    kind ${text} not null,
    queue ${text} not null,
    trigger ${text} not null,
    operator ${text} not null,
    status ${text} not null check (status in ('waiting', 'running', 'failed', 'stopped', 'succeeded')),
    exclusive ${integer} not null,
    stopping ${integer} not null,
    facts ${text} not null,
    held_tasks ${text},
    scheduled_for ${integer},
    total ${integer} not null,
    live ${integer} not null,
    succeeded ${integer} not null,
    failed ${integer} not null,
    stopped ${integer} not null,
    bytes ${integer} not null,
    created_at ${integer} not null,
    started_at ${integer},
    ended_at ${integer}
  ) ${table}`,
  'create unique index executions_schedule on executions (queue, scheduled_for) where scheduled_for is not null',
  'create index executions_queue on executions (queue, id)',
  "create index executions_active on executions (queue, exclusive) where status in ('waiting', 'running')",
  'create index executions_ended on executions (ended_at) where ended_at is not null',
];

const taskTables = ({ id, integer, text, table, keyedTable }: Engine): readonly string[] => [
  `create table tasks (
    id ${id},
    execution ${integer} not null references executions (id) on delete cascade,
    queue ${text} not null,
    kind ${text} not null,
    key ${text},
    follows ${integer},
    route ${text} not null,
    resource ${text} not null,
    state ${text} not null check (state in
      ('waiting', 'ready', 'delayed', 'running', 'stopping', 'succeeded', 'failed', 'stopped')),
    priority ${integer} not null,
    cost ${integer} not null,
    payload ${text} not null,
    pending ${integer} not null,
    attempts ${integer} not null,
    mismatches ${integer} not null,
    run_at ${integer},
    lease_instance ${text},
    lease_boot ${text},
    lease_until ${integer},
    epoch ${integer} not null,
    progress ${integer} not null,
    bytes ${integer} not null,
    note ${text},
    failure ${text},
    reason ${text},
    created_at ${integer} not null,
    started_at ${integer},
    ended_at ${integer}
  ) ${table}`,
  "create index tasks_ready on tasks (queue, route, priority desc, id) where state = 'ready'",
  "create index tasks_delayed on tasks (run_at) where state = 'delayed'",
  "create index tasks_leased on tasks (lease_until) where state in ('running', 'stopping')",
  'create unique index tasks_leading on tasks (key) where key is not null and follows is null and ended_at is null',
  'create index tasks_following on tasks (follows) where follows is not null',
  'create index tasks_execution on tasks (execution, state)',
  `create table task_dependencies (
    task ${integer} not null references tasks (id) on delete cascade,
    blocker ${integer} not null references tasks (id) on delete cascade,
    primary key (task, blocker)
  ) ${keyedTable}`,
  'create index task_dependencies_blocker on task_dependencies (blocker)',
  `create table task_log (
    id ${id},
    task ${integer} not null references tasks (id) on delete cascade,
    at ${integer} not null,
    line ${text} not null
  ) ${table}`,
  'create index task_log_task on task_log (task, id)',
];

const claimTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table job_queues (
    name ${text} primary key,
    weight ${integer} not null check (weight > 0),
    vtime ${integer} not null,
    paused ${integer} not null,
    most_running ${integer}
  ) ${keyedTable}`,
  `create table job_lanes (
    queue ${text} not null,
    route ${text} not null,
    ready ${integer} not null,
    running ${integer} not null,
    vtime ${integer} not null,
    primary key (queue, route)
  ) ${keyedTable}`,
  'create index job_lanes_busy on job_lanes (queue) where ready > 0 or running > 0',
  `create table job_hosts (
    host ${text} primary key,
    blocked_until ${integer} not null,
    reason ${text} not null,
    paused ${integer} not null,
    failures ${integer} not null,
    open_until ${integer} not null
  ) ${keyedTable}`,
];

const clockTables = ({ integer, text, keyedTable }: Engine): readonly string[] => [
  `create table schedules (
    queue ${text} primary key,
    cron ${text} not null,
    time_zone ${text} not null,
    next_at ${integer} not null
  ) ${keyedTable}`,
  `create table feed_cursors (
    consumer ${text} primary key,
    epoch ${integer} not null,
    seq ${integer} not null
  ) ${keyedTable}`,
];
