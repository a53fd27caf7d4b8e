import type { Database } from '../../src/database/database.ts';
import { claimTasks } from '../../src/jobs/claims.ts';
import { addExecution } from '../../src/jobs/enqueue.ts';
import { settleOutcome } from '../../src/jobs/outcomes.ts';
import type { ClaimedTask, NewTask } from '../../src/jobs/task.ts';
import { settle } from '../../src/jobs/transactions.ts';
import { START } from './world.ts';

export const CLAIMING = {
  mostPerHost: 1_000,
  instance: 'one',
  boot: 'first',
  leaseMs: 60_000,
  now: START,
};

export async function addTo(
  database: Database,
  queue: string,
  tasks: readonly NewTask[],
): Promise<void> {
  await database.write((transaction) =>
    addExecution(
      transaction,
      { kind: 'replication', queue, trigger: 'manual', operator: 'ada', tasks },
      START,
    ),
  );
}

interface Simulation {
  readonly workers: number;
  /** Of each worker. */
  readonly bytesPerSecond: number;
  readonly seconds: number;
  /** What a task turns out to move. Bytes. */
  readonly sizeOf: (task: ClaimedTask) => number;
  readonly mostPerHost?: number;
}

/** Workers that move bytes at a steady rate, in a time that passes only for them. @returns bytes by queue */
export async function moveBytes(
  database: Database,
  { workers, bytesPerSecond, seconds, sizeOf, mostPerHost = 1_000 }: Simulation,
): Promise<ReadonlyMap<string, number>> {
  const moved = new Map<string, number>();
  const running: { readonly task: ClaimedTask; readonly endsAt: number }[] = [];
  const end = START + seconds * 1_000;
  for (let clock = START; ; ) {
    const now = Math.ceil(clock);
    const claimed = await database.write((transaction) =>
      claimTasks(transaction, { ...CLAIMING, mostPerHost, most: workers - running.length, now }),
    );
    for (const task of claimed)
      running.push({ task, endsAt: clock + (sizeOf(task) / bytesPerSecond) * 1_000 });
    running.sort((left, right) => left.endsAt - right.endsAt);
    const next = running.shift();
    if (next === undefined || next.endsAt > end) {
      for (const { task, endsAt } of next === undefined ? [] : [next, ...running]) {
        const left = ((endsAt - end) / 1_000) * bytesPerSecond;
        add(moved, task.queue, sizeOf(task) - left);
      }
      return moved;
    }
    clock = next.endsAt;
    const bytes = sizeOf(next.task);
    add(moved, next.task.queue, bytes);
    await settle(
      database,
      () => now,
      (settling) => settleOutcome(settling, next.task, { outcome: { bytes }, sent: 0 }),
    );
  }
}

function add(moved: Map<string, number>, queue: string, bytes: number): void {
  moved.set(queue, (moved.get(queue) ?? 0) + bytes);
}
