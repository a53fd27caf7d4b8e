import { setTimeout as delay } from 'node:timers/promises';
import { Deadline } from './deadline.ts';

/** Waits for what will be true soon. Rejects after `withinMs` in which this process ran. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  { withinMs = 5_000 }: { withinMs?: number } = {},
): Promise<void> {
  using deadline = new Deadline(withinMs);
  while (!(await isTrue())) {
    if (deadline.isOver()) throw new Error(`not true within ${withinMs} ms: ${String(isTrue)}`);
    await delay(5);
  }
}
