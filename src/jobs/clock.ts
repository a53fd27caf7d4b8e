/** When executions start by themselves. The clock only says so: what it says is an execution that is unique by its time. */
import { type ScheduledTask, schedule, type TaskContext } from 'node-cron';
import type { Database } from '../database/database.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';

export interface Schedule {
  readonly queue: string;
  /** As the operator wrote it: another one begins anew. */
  readonly cron: string;
  /** The same for node-cron; it has come where one of these has. */
  readonly expressions: readonly string[];
  /** IANA's name. */
  readonly timeZone: string;
}

export interface Clock extends AsyncDisposable {
  /**
   * From now on these are the schedules. One that was there before, and whose time came while nobody was here to see it,
   * is due at once, and once however often it came.
   */
  set(schedules: readonly Schedule[]): Promise<void>;
}

export interface ClockOptions {
  readonly database: Database;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** It is time, for the same time more than once after a crash. Rejecting is told, and the schedule goes on. */
  readonly due: (queue: string, scheduledFor: number) => Promise<void>;
}

export function createClock({ database, now, due }: ClockOptions): Clock {
  let running: readonly ScheduledTask[] = [];
  // One after the other: a time that comes while schedules are set is of the old ones or of the new.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = turn.then(work);
    turn = done.catch(ignored);
    return done;
  };

  const start = async (
    { queue, cron, timeZone }: Schedule,
    tasks: readonly ScheduledTask[],
    scheduledFor: number,
  ): Promise<void> => {
    const known = (await knownSchedules(database)).get(queue);
    // The schedule is gone, or went on: of several times that were missed together one counts.
    if (known === undefined || known.next_at > scheduledFor) return;
    await due(queue, scheduledFor);
    await keep(database, { queue, cron, time_zone: timeZone, next_at: nextOf(tasks, now()) });
  };
  const tick: Tick = (...time) => {
    inTurn(() => start(...time)).catch((error: unknown) => {
      if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work: 'schedule', error });
    });
  };
  const stop = async (): Promise<void> => {
    for (const task of running) await task.destroy();
    running = [];
  };

  return {
    set: (schedules) =>
      inTurn(async () => {
        await stop();
        const known = await knownSchedules(database);
        await forgetOthers(database, schedules);
        for (const each of schedules) {
          const tasks = tasksOf(each, tick);
          running = [...running, ...tasks];
          const { queue, cron, timeZone } = each;
          const before = known.get(queue);
          const isSame = before?.cron === cron && before.time_zone === timeZone;
          const next_at = nextOf(tasks, now());
          if (isSame && before.next_at <= now()) tick(each, tasks, before.next_at);
          else await keep(database, { queue, cron, time_zone: timeZone, next_at });
        }
      }),
    async [Symbol.asyncDispose]() {
      await inTurn(stop);
    },
  };
}

function ignored(): void {}

type Tick = (each: Schedule, tasks: readonly ScheduledTask[], scheduledFor: number) => void;

function tasksOf(each: Schedule, tick: Tick): readonly ScheduledTask[] {
  const tasks: ScheduledTask[] = [];
  const said = ({ date }: TaskContext): void => tick(each, tasks, wholeSecond(date));
  const options = { timezone: each.timeZone, suppressMissedWarning: true, unref: true };
  for (const expression of each.expressions) {
    const task = schedule(expression, said, options);
    // The process was held up, or its machine asleep.
    task.on('execution:missed', said);
    tasks.push(task);
  }
  return tasks;
}

function wholeSecond(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000;
}

/** A time that never comes again is far away. */
function nextOf(tasks: readonly ScheduledTask[], now: number): number {
  const next = tasks.map((task) => task.getNextRun()?.getTime() ?? Number.MAX_SAFE_INTEGER);
  return Math.max(now + 1, wholeSecond(new Date(Math.min(...next, 8.64e15))));
}

interface Kept {
  readonly queue: string;
  readonly cron: string;
  readonly time_zone: string;
  readonly next_at: number;
}

async function knownSchedules(database: Database): Promise<ReadonlyMap<string, Kept>> {
  const rows = await database.read.selectFrom('schedules').selectAll().execute();
  return new Map(rows.map((row) => [row.queue, row]));
}

async function keep(database: Database, row: Kept): Promise<void> {
  const { cron, time_zone, next_at } = row;
  await database.write((transaction) =>
    transaction
      .insertInto('schedules')
      .values(row)
      .onConflict((conflict) => conflict.column('queue').doUpdateSet({ cron, time_zone, next_at }))
      .execute(),
  );
}

async function forgetOthers(database: Database, schedules: readonly Schedule[]): Promise<void> {
  const queues = schedules.map(({ queue }) => queue);
  await database.write(async (transaction) => {
    const rows = transaction.deleteFrom('schedules');
    await (queues.length === 0 ? rows : rows.where('queue', 'not in', queues)).execute();
  });
}
