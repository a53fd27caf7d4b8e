import { z } from 'zod';
import { ManagementError } from '../../oci/management-error.ts';
import { timeJson } from './json.ts';
import { type Actor, type ApiRoute, DONE, route } from './route.ts';

/** When a policy runs by itself. */
interface Schedule {
  readonly policy: number;
  /** As Harbor has it, of six fields. */
  readonly cron: string;
  /** Milliseconds UTC. */
  readonly updatedAt: number;
}

/** What waits to be done. */
interface Queue {
  readonly count: number;
  /** How long the first of it has waited. */
  readonly latencySeconds: number;
  readonly isPaused: boolean;
}

/** A process with workers. Times are milliseconds UTC. */
interface Pool {
  readonly id: string;
  readonly pid: number;
  readonly host: string;
  readonly startedAt: number;
  readonly seenAt: number;
  readonly concurrency: number;
}

/** What a worker does. */
interface Work {
  readonly task: number;
  readonly startedAt: number;
}

/** What these routes need of the node. @throws ManagementError */
export interface JobService {
  schedules(): Promise<readonly Schedule[]>;
  queue(): Promise<Queue>;
  pauseQueue(actor: Actor): Promise<void>;
  resumeQueue(actor: Actor): Promise<void>;
  /** Stops every execution that is not over. */
  stopQueue(actor: Actor): Promise<void>;
  /** Stops the execution of a task. NOT_FOUND. */
  stop(task: number, actor: Actor): Promise<void>;
  /** This process. */
  pool(): Pool;
  /** All that is being done. */
  running(): Promise<readonly Work[]>;
  /** Lines for people. NOT_FOUND. */
  log(task: number): Promise<string>;
}

/** The only kind of job that there is. */
const REPLICATION = 'REPLICATION';
const EVERY = 'all';

const Action = z.object({ action: z.enum(['stop', 'pause', 'resume']) });

/** What runs when, and what runs now. */
export function jobServiceRoutes(jobs: JobService): readonly ApiRoute[] {
  return [
    listSchedules(jobs),
    getPaused(jobs),
    listQueues(jobs),
    changeQueue(jobs),
    listPools(jobs),
    listWorkers(jobs),
    stopJob(jobs),
    getLog(jobs),
  ];
}

const listSchedules = (jobs: JobService): ApiRoute =>
  route({
    operation: 'listSchedules',
    method: 'GET',
    path: '/schedules',
    permission: { system: 'jobservice-monitor:list' },
    answers: [200, 400, 401, 403, 404],
    async handle({ list }) {
      const { offset, limit } = list({});
      const schedules = await jobs.schedules();
      const end = limit === undefined ? undefined : offset + limit;
      return { json: schedules.slice(offset, end).map(scheduleJson), total: schedules.length };
    },
  });

const getPaused = (jobs: JobService): ApiRoute =>
  route({
    operation: 'getSchedulePaused',
    method: 'GET',
    path: '/schedules/{job_type}/paused',
    permission: 'signed-in',
    answers: [200, 400, 401, 403, 404],
    async handle({ text }) {
      typeOf(text('job_type'));
      return { json: { paused: (await jobs.queue()).isPaused } };
    },
  });

const listQueues = (jobs: JobService): ApiRoute =>
  route({
    operation: 'listJobQueues',
    method: 'GET',
    path: '/jobservice/queues',
    permission: { system: 'jobservice-monitor:list' },
    answers: [200, 401, 403, 404],
    async handle() {
      const { count, latencySeconds, isPaused } = await jobs.queue();
      const queue = { job_type: REPLICATION, count, latency: latencySeconds, paused: isPaused };
      return { json: [queue] };
    },
  });

const changeQueue = (jobs: JobService): ApiRoute =>
  route({
    operation: 'actionPendingJobs',
    method: 'PUT',
    path: '/jobservice/queues/{job_type}',
    permission: { system: 'jobservice-monitor:stop' },
    answers: [200, 401, 403, 404, 422],
    async handle({ text, json, actor }) {
      typeOf(text('job_type'));
      const { action } = await json(Action);
      await actOn(jobs, action, actor);
      return DONE;
    },
  });

const listPools = (jobs: JobService): ApiRoute =>
  route({
    operation: 'getWorkerPools',
    method: 'GET',
    path: '/jobservice/pools',
    permission: { system: 'jobservice-monitor:list' },
    answers: [200, 401, 403],
    handle: () => ({ json: [poolJson(jobs.pool())] }),
  });

const listWorkers = (jobs: JobService): ApiRoute =>
  route({
    operation: 'getWorkers',
    method: 'GET',
    path: '/jobservice/pools/{pool_id}/workers',
    permission: { system: 'jobservice-monitor:list' },
    answers: [200, 401, 403, 404],
    async handle({ text }) {
      const { id, concurrency } = jobs.pool();
      const asked = text('pool_id');
      if (asked !== EVERY && asked !== id) {
        throw new ManagementError('NOT_FOUND', `there is no pool ${asked}`);
      }
      const running = await jobs.running();
      const count = Math.max(concurrency, running.length);
      const workers = Array.from({ length: count }, (_, index) =>
        workerJson(id, index, running[index]),
      );
      return { json: workers };
    },
  });

const stopJob = (jobs: JobService): ApiRoute =>
  route({
    operation: 'stopRunningJob',
    method: 'PUT',
    path: '/jobservice/jobs/{job_id}',
    permission: { system: 'jobservice-monitor:stop' },
    answers: [200, 401, 403, 404],
    async handle({ id, text, actor }) {
      if (text('job_id') === EVERY) await jobs.stopQueue(actor);
      else await jobs.stop(id('job_id'), actor);
      return DONE;
    },
  });

const getLog = (jobs: JobService): ApiRoute =>
  route({
    operation: 'actionGetJobLog',
    method: 'GET',
    path: '/jobservice/jobs/{job_id}/log',
    permission: { system: 'jobservice-monitor:list' },
    answers: [200, 401, 403, 404],
    handle: async ({ id }) => ({ text: await jobs.log(id('job_id')) }),
  });

function actOn(
  jobs: JobService,
  action: z.infer<typeof Action>['action'],
  actor: Actor,
): Promise<void> {
  if (action === 'pause') return jobs.pauseQueue(actor);
  return action === 'resume' ? jobs.resumeQueue(actor) : jobs.stopQueue(actor);
}

/** @throws ManagementError NOT_FOUND for what nothing here is */
function typeOf(type: string): void {
  const asked = type.toLowerCase();
  if (asked === EVERY || asked === REPLICATION.toLowerCase()) return;
  throw new ManagementError('NOT_FOUND', `there are no jobs of type ${type}`);
}

function scheduleJson({ policy, cron, updatedAt }: Schedule): object {
  return {
    id: policy,
    vendor_type: REPLICATION,
    vendor_id: policy,
    cron,
    update_time: timeJson(updatedAt),
  };
}

function poolJson({ id, pid, host, startedAt, seenAt, concurrency }: Pool): object {
  return {
    worker_pool_id: id,
    pid,
    host,
    start_at: timeJson(startedAt),
    heartbeat_at: timeJson(seenAt),
    concurrency,
  };
}

function workerJson(pool: string, index: number, work: Work | undefined): object {
  const worker = { id: `${pool}-${index + 1}`, pool_id: pool };
  if (work === undefined) return { ...worker, job_id: '', job_name: '' };
  return {
    ...worker,
    job_id: String(work.task),
    job_name: REPLICATION,
    start_at: timeJson(work.startedAt),
  };
}
