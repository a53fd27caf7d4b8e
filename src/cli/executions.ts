/** Executions as commands see them, of a running node or of this process. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type ProgressDisplay } from './progress.ts';

const Time = z.union([z.number(), z.iso.datetime().transform((text) => Date.parse(text))]);

/** Times are milliseconds UTC. */
export const Execution = z.object({
  id: z.int(),
  policyName: z.string(),
  isDryRun: z.boolean(),
  status: z.enum(['waiting', 'running', 'failed', 'stopped', 'succeeded']),
  trigger: z.string(),
  operator: z.string(),
  total: z.int(),
  live: z.int(),
  succeeded: z.int(),
  failed: z.int(),
  stopped: z.int(),
  bytes: z.int(),
  createdAt: Time,
  startedAt: Time.optional(),
  endedAt: Time.optional(),
});
export type Execution = z.output<typeof Execution>;

export const Task = z.object({
  id: z.int(),
  kind: z.string(),
  resource: z.string(),
  to: z.string().optional(),
  tag: z.string().optional(),
  digest: z.string().optional(),
  state: z.string(),
  progress: z.int(),
  note: z.string().optional(),
  failure: z.string().optional(),
  reason: z.string().optional(),
});
export type Task = z.output<typeof Task>;

export const Finding = z.object({
  action: z.string(),
  repository: z.string().optional(),
  tag: z.string().optional(),
  digest: z.string().optional(),
  destination: z.object({ endpoint: z.string(), repository: z.string() }).optional(),
  bytes: z.int().optional(),
  blobs: z.int().optional(),
  why: z.string().optional(),
});
export type Finding = z.output<typeof Finding>;

export const FindingTotal = z.object({
  copy: z.int(),
  skip: z.int(),
  delete: z.int(),
  fail: z.int(),
  bytes: z.int(),
  blobs: z.int(),
});
export type FindingTotal = z.output<typeof FindingTotal>;

/** What commands ask about executions. */
export interface Executions {
  execution(id: number): Promise<Execution>;
  /** Those in that state, the oldest first. */
  tasks(execution: number, state: 'running' | 'failed' | 'succeeded'): AsyncIterable<Task>;
  /** Of a dry run. */
  findings(execution: number): AsyncIterable<Finding>;
  findingTotal(execution: number): Promise<FindingTotal>;
}

const EVERY_MS = 500;

/** Shows how far it is until it is over. An abort stops looking, and rejects. */
export async function watchExecution(
  executions: Pick<Executions, 'execution' | 'tasks'>,
  id: number,
  { display, signal }: { readonly display: ProgressDisplay; readonly signal: AbortSignal },
): Promise<Execution> {
  for (;;) {
    const execution = await executions.execution(id);
    const { total, live, failed, bytes, status } = execution;
    let underWay = 0;
    for await (const { progress } of executions.tasks(id, 'running')) underWay += progress;
    display.show({ total, done: total - live, failed, bytes: bytes + underWay });
    if (status !== 'running' && status !== 'waiting') return execution;
    await delay(EVERY_MS, undefined, { signal });
  }
}

/** Why it failed: of each task that failed by itself, what it was about. */
export async function failuresOf(
  executions: Pick<Executions, 'tasks'>,
  id: number,
): Promise<readonly Task[]> {
  const failures: Task[] = [];
  for await (const task of executions.tasks(id, 'failed')) {
    if (task.failure !== 'blocked') failures.push(task);
  }
  return failures;
}
