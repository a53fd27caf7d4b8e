import { z } from 'zod';
import { type KeptPolicy, queueOf } from '../catalog/replication-policies.ts';
import type { NewExecution } from '../jobs/enqueue.ts';
import type { Along } from '../jobs/settling.ts';
import type { Json, NewTask, TaskHandlers } from '../jobs/task.ts';
import { ManagementError } from '../oci/management-error.ts';
import { createCopying } from './copy.ts';
import { deleteTag } from './deletion.ts';
import { expand, expandRepository, expandTask } from './expand.ts';
import { Listings } from './listings.ts';
import { limitDeletions, pruneRepository, type TasksOf } from './mirror.ts';
import type { ConnectedRegistry, Runs } from './run.ts';

export interface StartOptions {
  readonly trigger: 'manual' | 'schedule';
  /** Who wants it. */
  readonly operator: string;
  /** Milliseconds UTC. */
  readonly scheduledFor?: number | undefined;
  /** Whether it only says what it would do. */
  readonly isDryRun?: boolean | undefined;
  /** Written with it, or not at all. */
  readonly along?: AlongStart | undefined;
}

/** What is written together with an execution, of which that is known. */
export type AlongStart = (execution: { readonly id: number; readonly facts: Json }) => Along;

export interface Replication {
  /**
   * Copies all that the policy selects. While it runs already, the new execution waits, and one that waits is the one;
   * or fails at once, where the policy says so.
   *
   * @returns undefined where that scheduled time had its execution
   * @throws ManagementError PRECONDITION where the policy is switched off
   */
  start(policy: KeptPolicy, options: StartOptions): Promise<{ readonly id: number } | undefined>;
}

export interface ReplicationOptions {
  readonly connect: (endpoint: string) => Promise<ConnectedRegistry | undefined>;
  readonly enqueue: (
    execution: NewExecution,
    along?: AlongStart,
  ) => Promise<{ readonly id: number } | undefined>;
  /** Whether an execution of the queue is not over. */
  readonly isRunning: (queue: string) => Promise<boolean>;
}

/** In place of the tasks of an execution that came while another one was running. */
const SKIPPED: NewTask = { kind: 'skipped', hosts: [], cost: 0, payload: {}, resource: '*' };

export function createReplication({
  connect,
  enqueue,
  isRunning,
}: ReplicationOptions): Replication {
  return {
    async start(policy, options) {
      refuseSwitchedOff(policy);
      const { id, name, written, rules } = policy;
      const { trigger, operator, scheduledFor, isDryRun = false, along } = options;
      const source = await connect(rules.source);
      const queue = queueOf(id);
      const isSkipped = !isDryRun && rules.overlap === 'skip' && (await isRunning(queue));
      const execution = {
        kind: 'replication',
        queue,
        trigger,
        operator,
        scheduledFor,
        // One that only looks is in nobody's way.
        exclusive: !isDryRun && !isSkipped,
        facts: toldOf({ id, name, written }, { isDryRun }),
        tasks: isSkipped ? [SKIPPED] : [expandTask(rules, source?.host)],
      };
      return enqueue(execution, along);
    },
  };
}

/** @throws ManagementError PRECONDITION */
export function refuseSwitchedOff({ name, rules }: Pick<KeptPolicy, 'name' | 'rules'>): void {
  if (rules.enabled) return;
  throw new ManagementError('PRECONDITION', `replication policy ${name} is switched off`);
}

/** What an execution is told: what the operator wrote, as `ExecutionFacts` reads it. */
export function toldOf(
  { id, name, written }: Pick<KeptPolicy, 'id' | 'name' | 'written'>,
  { isDryRun = false }: { readonly isDryRun?: boolean } = {},
): Json {
  // Through JSON: what a policy leaves out is no value of it.
  return z.json().parse(JSON.parse(JSON.stringify({ policy: id, name, rules: written, isDryRun })));
}

export interface HandlerOptions {
  readonly runs: Runs;
  readonly tasksOf: TasksOf;
  /** Milliseconds UTC. */
  readonly now: () => number;
}

export function replicationHandlers({ runs, tasksOf, now }: HandlerOptions): TaskHandlers {
  const copying = createCopying(runs, now);
  const listings = new Listings();
  return {
    expand: (task) => expand(task, runs, listings),
    'expand-repository': (task) => expandRepository(task, runs, now),
    'sync-ref': (task) => copying.syncReference(task),
    'copy-blob': (task) => copying.copyBlob(task),
    'put-manifests': (task) => copying.putManifests(task),
    'limit-deletions': (task) => limitDeletions(task, runs, { tasksOf, now }),
    'prune-repository': (task) => pruneRepository(task, runs),
    'delete-tag': (task) => deleteTag(task, runs),
    async skipped() {
      const message = 'skipped: an execution of the policy is still running';
      throw new ManagementError('PRECONDITION', message);
    },
  };
}
