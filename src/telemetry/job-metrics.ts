/**
 * What is done in the background, as Prometheus metrics. What waits is read at each scrape, from rows that count it: never from the
 * tasks themselves, of which there may be very many. A queue is a policy (`replication:3`), a link the hosts that a task loads.
 */
import { Gauge, type Registry } from 'prom-client';
import { executionFinished, jobHostChanged, taskFinished } from './channels.ts';
import { bounded, type Meters } from './meters.ts';

/** Read at a scrape. Times are milliseconds UTC. */
export interface JobFacts {
  readonly now: number;
  /** By queue and by the hosts that they load. */
  readonly lanes: readonly {
    readonly queue: string;
    readonly hosts: readonly string[];
    readonly ready: number;
    readonly running: number;
  }[];
  /** Since when the task waits that has waited longest, of those that may begin. */
  readonly oldestReady: number | undefined;
  /** Of each queue that has an execution which is not over: its tasks that are not over, and when the first of those executions was made. */
  readonly backlogs: readonly {
    readonly queue: string;
    readonly tasks: number;
    readonly since: number;
  }[];
  /** What happened and was not looked at yet by the policies that events trigger. */
  readonly unread: { readonly items: number; readonly since: number | undefined };
}

/** Counts what ends while it listens. */
export function countTasks(meters: Meters): void {
  const labelOf = bounded();
  const links = bounded();
  const tasks = meters.counter(
    'tasks_total',
    'Attempts at tasks that ended, by outcome: succeeded, failed, again, delayed and throttled (tried again), stopped, released, lost.',
    ['queue', 'link', 'outcome'],
  );
  const bytes = meters.counter('task_bytes_total', 'Bytes that tasks moved.', ['queue', 'link']);
  meters.on(taskFinished, (fact) => {
    const labels = { queue: labelOf(fact.queue), link: links(fact.hosts.join(' ')) };
    tasks.inc({ ...labels, outcome: fact.outcome });
    if (fact.bytes > 0) bytes.inc(labels, fact.bytes);
  });

  const executions = meters.counter('executions_total', 'Executions that ended, by status.', [
    'queue',
    'status',
  ]);
  meters.on(executionFinished, ({ queue, status }) =>
    executions.inc({ queue: labelOf(queue), status }),
  );

  const throttled = meters.counter(
    'throttled_seconds_total',
    'Seconds for which hosts asked to be left alone by replication.',
    ['host'],
  );
  const hostOf = bounded();
  const told = new Map<string, number>();
  meters.on(jobHostChanged, ({ host, state, until = 0 }) => {
    if (state !== 'blocked') return;
    const label = hostOf(host);
    const from = Math.max(Date.now(), told.get(label) ?? 0);
    told.set(label, Math.max(from, until));
    throttled.inc({ host: label }, Math.max(0, until - from) / 1000);
  });
}

/** @returns what takes over facts that were read */
export function jobGauges(registers: Registry[]): (facts: JobFacts) => void {
  const gauge = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name: `portolan_${name}`, help, labelNames, registers });
  const ready = gauge('tasks_ready', 'Tasks that may begin.', ['queue', 'link']);
  const running = gauge('tasks_running', 'Tasks that are worked on.', ['queue', 'link']);
  const oldest = gauge(
    'tasks_oldest_ready_seconds',
    'Age of the oldest task that may begin; 0 where there is none.',
  );
  const lagTasks = gauge('lag_tasks', 'Tasks that are not over.', ['queue']);
  const lagSeconds = gauge('lag_seconds', 'Age of the oldest execution that is not over.', [
    'queue',
  ]);
  const unread = gauge(
    'lag_unread',
    'Changes and arrivals that event policies have not looked at.',
  );
  const unreadSeconds = gauge('lag_unread_seconds', 'Age of the oldest of those; 0 for none.');
  return (facts) => {
    for (const each of [ready, running, lagTasks, lagSeconds]) each.reset();
    const ageOf = (at: number | undefined) => Math.max(0, facts.now - (at ?? facts.now)) / 1000;
    // Labels of this scrape alone: what is idle is not there.
    const queues = bounded();
    const links = bounded();
    for (const lane of facts.lanes) {
      const labels = { queue: queues(lane.queue), link: links(lane.hosts.join(' ')) };
      ready.inc(labels, lane.ready);
      running.inc(labels, lane.running);
    }
    oldest.set(ageOf(facts.oldestReady));
    for (const { queue, tasks, since } of facts.backlogs) {
      const label = { queue: queues(queue) };
      lagTasks.inc(label, tasks);
      lagSeconds.set(label, ageOf(since));
    }
    unread.set(facts.unread.items);
    unreadSeconds.set(ageOf(facts.unread.since));
  };
}
