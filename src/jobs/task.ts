import type { Selectable } from 'kysely';
import type { WriteTransaction } from '../database/database.ts';
import type { TaskRow } from '../database/job-tables.ts';

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json | undefined };

/** One thing to do. It may be done again after a crash, so that its effect has to be the same then. */
export interface NewTask {
  /** Which handler does it. */
  readonly kind: string;
  /** What it brings about. Of the tasks with one key that are not over one is done; the others end as it ends. */
  readonly key?: string | undefined;
  /** Names without spaces of what it loads: none of them may be blocked or paused when it begins. */
  readonly hosts: readonly string[];
  /** Higher first, whichever queue it is in. An integer. */
  readonly priority?: number | undefined;
  /** Bytes expected: what shares are counted by, at least `SMALLEST_COST`. */
  readonly cost: number;
  readonly payload: Json;
  /** Groups tasks for people (Harbor: one row per repository). */
  readonly resource?: string | undefined;
  /** Places in the same batch, before its own, of the tasks that it waits for. One that fails makes it fail. */
  readonly after?: readonly number[] | undefined;
  /** Only in `next`: whoever waits for the task that is over now waits for this one too. */
  readonly replaces?: boolean | undefined;
}

/** What a task came to. */
export interface TaskOutcome {
  /** Tasks of the same execution, there if and only if this one is over. */
  readonly next?: readonly NewTask[] | undefined;
  /** It is not over: it goes on from here, at its turn; not before `at` (milliseconds UTC, an hour from now at most). */
  readonly again?: { readonly payload: Json; readonly at?: number | undefined } | undefined;
  /**
   * It could not begin yet, and is tried again then (milliseconds UTC, an hour from now at most), as if nobody had claimed it: that says nothing of its hosts,
   * and what failed before still counts. Not with `next`, `again` or `alongside`.
   */
  readonly notBefore?: number | undefined;
  /** For people: `skipped: same digest`. */
  readonly note?: string | undefined;
  /** Moved in this attempt; else what `progress` was told. */
  readonly bytes?: number | undefined;
  /** What becomes true with it: runs in the transaction that ends it, and never twice. */
  readonly alongside?: ((transaction: WriteTransaction) => Promise<void>) | undefined;
}

export interface RunningTask {
  readonly id: number;
  readonly execution: number;
  readonly queue: string;
  readonly kind: string;
  readonly payload: unknown;
  /** 1 at first. */
  readonly attempt: number;
  /** Aborted where the task is to end now: it was stopped, its lease was lost, the node stops. */
  readonly signal: AbortSignal;
  /** So many more bytes went. */
  readonly progress: (bytes: number) => void;
  /** A line for people. The last lines of a task are kept. */
  readonly log: (line: string) => void;
}

export type TaskHandlers = Readonly<
  Record<string, (task: RunningTask) => Promise<TaskOutcome | undefined>>
>;

/** What a thrown value means for its task. `reason` is for people, and kept: nothing secret. */
export type Failure =
  /** Fails at once. */
  | { readonly kind: 'permanent'; readonly reason: string }
  /** The host wants to be left alone for that long, or the task has to wait so long where none is named; costs no attempt. */
  | {
      readonly kind: 'throttled';
      readonly reason: string;
      readonly host?: string | undefined;
      readonly retryAfterMs: number;
      /** Nobody asked it now: others were told before that it is away. */
      readonly isHearsay?: boolean | undefined;
    }
  /** Tried again later. Several in a row keep everybody from `host` for a while, if it is one that the task loads. */
  | { readonly kind: 'transient'; readonly reason: string; readonly host?: string | undefined }
  /** The host is away for that long for the task, and for all when it says so again; costs no attempt until a task was told so for too long. */
  | {
      readonly kind: 'away';
      readonly reason: string;
      readonly host: string;
      readonly retryAfterMs: number;
    }
  /** The bytes were not the right ones: tried again, but not often. */
  | { readonly kind: 'integrity'; readonly reason: string };

/** Bytes: a question and its answer cost about as much as so many of a blob. */
export const SMALLEST_COST = 64 * 1024;

/** A task that a process has claimed. */
export type ClaimedTask = Selectable<TaskRow>;

/** Of a task's row, by which a worker says which claim it means. */
export interface Claim {
  readonly id: number;
  readonly epoch: number;
}

/** Somebody else has the task by now, or nobody: whatever this worker would write of it is refused. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';

  constructor({ id }: Claim) {
    super(`the lease of task ${id} is lost`);
  }
}

export const routeOf = (hosts: readonly string[]): string =>
  [...new Set(hosts)].toSorted().join(' ');

export const hostsOf = (route: string): readonly string[] => (route === '' ? [] : route.split(' '));
