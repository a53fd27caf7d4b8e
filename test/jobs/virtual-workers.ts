import type { Database } from '../../src/database/database.ts';
import type { ClaimedTask } from '../../src/jobs/task.ts';
import { claim, succeed } from './support/by-hand.ts';
import { START } from './world.ts';

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
    const claimed = await claim(database, workers - running.length, { mostPerHost, now });
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
    await succeed(database, next.task, bytes, now);
  }
}

function add(moved: Map<string, number>, queue: string, bytes: number): void {
  moved.set(queue, (moved.get(queue) ?? 0) + bytes);
}
