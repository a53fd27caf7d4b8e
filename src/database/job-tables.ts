/**
 * Rows of what is to be done: an execution is one run of a queue (a replication policy, say), its tasks are what workers do.
 *
 *     job_queues ─< executions ─< tasks ─< task_log          schedules (when a queue runs next)
 *         └──< job_turns ─< job_lanes └─< task_dependencies  feed_cursors (how far consumers of the outbox are)
 *     job_hosts (what a task loads: may it be asked now)
 *
 * A turn is what a queue has of one priority, a lane what that has for one set of hosts: a claim looks at lanes, and then at the first task of one of them,
 * so that it costs the same however many tasks there are.
 */
import type { Generated } from 'kysely';
import type { Flag } from './flag.ts';

/** `waiting`: for the exclusive one before it. The others are told by the tasks. */
export type ExecutionStatus = 'waiting' | 'running' | 'failed' | 'stopped' | 'succeeded';
export type ExecutionTrigger = 'manual' | 'schedule' | 'event' | 'push';

export interface ExecutionRow {
  id: Generated<number>;
  kind: string;
  queue: string;
  trigger: ExecutionTrigger;
  operator: string;
  status: ExecutionStatus;
  /** One of its queue is active at a time. */
  exclusive: Flag;
  /** Somebody stopped it: what still runs of it is told so. */
  stopping: Flag;
  /** JSON, the owner's. */
  facts: string;
  /** JSON: the tasks of one that waits, which get rows when it begins. */
  held_tasks: string | null;
  /** When the schedule wanted it; unique with the queue. */
  scheduled_for: number | null;
  /** Its tasks, and how many of them are not over, and are over in which way. */
  total: number;
  live: number;
  succeeded: number;
  failed: number;
  stopped: number;
  /** Bytes that its tasks moved. */
  bytes: number;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
}

/** The first five are not over, and have no `ended_at`. `delayed` waits for its time, `stopping` for its worker to notice. */
export type TaskState =
  | 'waiting'
  | 'ready'
  | 'delayed'
  | 'running'
  | 'stopping'
  | 'succeeded'
  | 'failed'
  | 'stopped';

export interface TaskRow {
  id: Generated<number>;
  execution: number;
  queue: string;
  kind: string;
  /** What it brings about: of those with one key that are not over, one leads, and the others follow it. */
  key: string | null;
  /** The task that leads. */
  follows: number | null;
  /** The hosts it loads, sorted, with spaces between. */
  route: string;
  resource: string;
  state: TaskState;
  priority: number;
  /** Bytes expected. */
  cost: number;
  /** JSON, the owner's. */
  payload: string;
  /** How many of those that it waits for have not succeeded. */
  pending: number;
  /** Claims that count, since it last got on. */
  attempts: number;
  /** Attempts that ended in bytes that were not the right ones. */
  mismatches: number;
  /** When a host first put it off, since it last got on. */
  away_since: number | null;
  /** When it was to ask again, the last time. */
  away_until: number | null;
  /** Of a delayed one. */
  run_at: number | null;
  /** The process (by place and by start) that works on it, until when it has to say so again. */
  lease_instance: string | null;
  lease_boot: string | null;
  lease_until: number | null;
  /** Counts claims: what a worker writes carries the epoch of its claim. */
  epoch: number;
  /** Bytes moved in the attempt that is under way or was last. */
  progress: number;
  /** Bytes moved in all. */
  bytes: number;
  note: string | null;
  failure: string | null;
  reason: string | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
}

export interface TaskDependencyRow {
  task: number;
  /** Of the same execution. */
  blocker: number;
}

export interface TaskLogRow {
  id: Generated<number>;
  task: number;
  at: number;
  line: string;
}

/** The one without a name is all of them together. */
export interface JobQueueRow {
  name: string;
  paused: Flag;
}

export interface JobTurnRow {
  queue: string;
  /** Of its tasks. */
  priority: number;
  /** Bytes: of those of one priority that have something to do, the one with the least is next. */
  vtime: number;
}

export interface JobLaneRow {
  queue: string;
  priority: number;
  route: string;
  ready: number;
  running: number;
  /** As a turn's, among the lanes of one turn. */
  vtime: number;
}

export interface JobHostRow {
  host: string;
  /** It asked to be left alone until then. */
  blocked_until: number;
  reason: string;
  paused: Flag;
  /** In a row. */
  failures: number;
  /** When the first of them was. */
  failing_since: number | null;
  /** The breaker is open until then; after it one task at a time finds out. Where it is not open: when the last failure was. */
  open_until: number;
}

/** When the clock starts executions of a queue. */
export interface ScheduleRow {
  queue: string;
  cron: string;
  time_zone: string;
  /** When it has to start next: what is past was missed. */
  next_at: number;
}

/** A consumer has seen everything up to that place of that outbox. */
export interface FeedCursorRow {
  consumer: string;
  epoch: number;
  seq: number;
}
