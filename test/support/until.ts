import { setTimeout as delay } from 'node:timers/promises';

/** Waits for what will be true soon. Rejects after `withinMs`. */
export async function until(
  isTrue: () => boolean | Promise<boolean>,
  { withinMs = 5_000 }: { withinMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline)
      throw new Error(`not true within ${withinMs} ms: ${String(isTrue)}`);
    await delay(5);
  }
}
