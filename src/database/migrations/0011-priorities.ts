/** Priorities hold between queues: what each has of one priority is counted by itself. Shares of unequal weight, which nothing set, go. */
import { sql } from 'kysely';
import type { Migration } from '../migration.ts';

export const priorities: Migration = {
  async up(transaction, { engine: { text, integer, keyedTable } }) {
    const statements = [
      `create table job_turns (
        priority ${integer} not null,
        queue ${text} not null,
        vtime ${integer} not null,
        primary key (priority, queue)
      ) ${keyedTable}`,
      `insert into job_turns (queue, priority, vtime)
        select distinct tasks.queue, tasks.priority, job_queues.vtime
        from tasks join job_queues on job_queues.name = tasks.queue
        where tasks.ended_at is null`,
      'alter table job_queues drop column vtime',
      'alter table job_queues drop column weight',
      'alter table job_queues drop column most_running',
      'alter table job_lanes rename to former_lanes',
      'drop index job_lanes_busy',
      `create table job_lanes (
        queue ${text} not null,
        priority ${integer} not null,
        route ${text} not null,
        ready ${integer} not null,
        running ${integer} not null,
        vtime ${integer} not null,
        primary key (queue, priority, route)
      ) ${keyedTable}`,
      `insert into job_lanes (queue, priority, route, ready, running, vtime)
        select tasks.queue, tasks.priority, tasks.route,
          sum(case when tasks.state = 'ready' then 1 else 0 end),
          sum(case when tasks.state = 'ready' then 0 else 1 end),
          max(former_lanes.vtime)
        from tasks
        join former_lanes on former_lanes.queue = tasks.queue and former_lanes.route = tasks.route
        where tasks.state in ('ready', 'running', 'stopping')
        group by tasks.queue, tasks.priority, tasks.route`,
      'drop table former_lanes',
      'create index job_lanes_busy on job_lanes (queue, priority) where ready > 0 or running > 0',
    ];
    for (const statement of statements) await sql.raw(statement).execute(transaction);
  },
};
