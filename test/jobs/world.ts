import type { Database } from '../../src/database/database.ts';
import type { NewExecution } from '../../src/jobs/enqueue.ts';
import { createJobs, type Jobs, type JobsOptions } from '../../src/jobs/jobs.ts';
import type { Failure, NewTask } from '../../src/jobs/task.ts';
import type { TestEngine } from '../support/databases.ts';

export const START = Date.UTC(2026, 10, 21);
export const signal = AbortSignal.timeout(60_000);
export const MiB = 2 ** 20;

/** A failure that a handler throws, as it is to be taken. */
export class Thrown extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.reason);
    this.failure = failure;
  }
}

/** Jobs over a database of their own, with a clock that stands still until it is set. */
export async function openJobs(
  engine: TestEngine,
  { handlers = {}, limits = {} }: Partial<Pick<JobsOptions, 'handlers' | 'limits'>> = {},
) {
  await using opened = new AsyncDisposableStack();
  const database = opened.use(await engine.open());
  const clock = { at: START };
  const open = (more: Partial<JobsOptions> = {}): Jobs =>
    createJobs({
      database,
      handlers,
      classify,
      now: () => clock.at,
      random: () => 1,
      instance: 'one',
      limits: { pollMs: 20, shutdownMs: 1_000, ...limits },
      ...more,
    });
  const jobs = opened.use(open());
  const disposables = opened.move();
  return {
    database,
    clock,
    jobs,
    /** Those of another process, or of a later start of this one. */
    open,
    [Symbol.asyncDispose]: () => disposables.disposeAsync(),
  };
}

export type JobsWorld = Awaited<ReturnType<typeof openJobs>>;

function classify(error: unknown): Failure {
  if (error instanceof Thrown) return error.failure;
  return { kind: 'permanent', reason: error instanceof Error ? error.message : String(error) };
}

export function task(kind: string, more: Partial<NewTask> = {}): NewTask {
  return { kind, hosts: [], cost: 0, payload: {}, ...more };
}

export const copies = (count: number, more: Partial<NewTask> = {}): readonly NewTask[] =>
  Array.from({ length: count }, () => task('copy', more));

/** By ada, by hand, of the queue `mirror` unless told otherwise. */
export async function enqueue(
  { database, jobs }: { readonly database: Database; readonly jobs: Pick<Jobs, 'enqueue'> },
  tasks: readonly NewTask[],
  more: Partial<NewExecution> = {},
): Promise<number> {
  const execution = { kind: 'replication', queue: 'mirror', trigger: 'manual', operator: 'ada' };
  const added = await database.write((transaction) =>
    jobs.enqueue(transaction, { ...execution, trigger: 'manual', tasks, ...more }),
  );
  if (added === undefined) throw new Error('it had been enqueued before');
  return added.id;
}

/** How many tasks are under way. */
export async function running({ database }: JobsWorld): Promise<number> {
  const rows = await database.read
    .selectFrom('tasks')
    .select('id')
    .where('state', '=', 'running')
    .execute();
  return rows.length;
}

export async function knownHost({ database }: JobsWorld, host: string) {
  return database.read
    .selectFrom('job_hosts')
    .selectAll()
    .where('host', '=', host)
    .executeTakeFirst();
}

/** Rejects when it comes. */
export function abortOf(stopped: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    stopped.addEventListener('abort', () => reject(stopped.reason));
  });
}
