import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must, startDaemon } from '../../interop/support/processes.ts';

/** Where the upstream answers over it, seen from the node's namespace. */
export const FAR_ADDRESS = '10.78.0.2';
const NEAR_ADDRESS = '10.78.0.1';
const NEAR = 'long0';
const FAR = 'long1';

export const RATE_MBIT = 100;
/** Each way: a round trip is twice that. */
const DELAY_MS = 25;
/** As much as it makes good at once of what it could not carry while the machine gave it no processor. */
const BURST_BYTES = 128 * 1024;
const SLACK_MS = (BURST_BYTES * 8) / (RATE_MBIT * 1000);

export interface LongLink extends AsyncDisposable {
  /**
   * For how many seconds it was not run so far, longer than it makes good: most of all because a hypervisor served others. Of
   * one that was held up alone it makes good more than is told.
   */
  stoodStill(): number;
}

/**
 * A second link between this process's namespace and that of the upstream: 100 Mbit/s each way and a round trip of 50 ms,
 * with packets of 1,500 bytes and a queue of 100 ms before it, so that TCP has what a long link does to it. Of what comes
 * from the upstream some packets may get lost, beside those that the queue has no room for.
 */
export async function createLongLink(
  folder: string,
  upstreamNamespace: string,
  { lostPerMillion = 0 }: { readonly lostPerMillion?: number } = {},
): Promise<LongLink> {
  const script = join(import.meta.dirname, 'long-link.py');
  const logFile = join(folder, 'long-link.log');
  // A scheduler that keeps it waiting would lose packets that no network lost.
  const scheduled = ['--fifo', '1', '/usr/bin/python3', script];
  const link = await startDaemon(
    'chrt',
    [...scheduled, NEAR, FAR, `${DELAY_MS}`, `${SLACK_MS}`, `${lostPerMillion}`],
    { logFile, isReady: async () => (await readFile(logFile, 'utf8')).includes('ready') },
  );
  await must('ip', ['link', 'set', FAR, 'netns', upstreamNamespace]);
  for (const { device, address, prefix } of [
    { device: NEAR, address: NEAR_ADDRESS, prefix: [] },
    { device: FAR, address: FAR_ADDRESS, prefix: ['-n', upstreamNamespace] },
  ]) {
    await must('ip', [...prefix, 'address', 'add', `${address}/24`, 'dev', device]);
    await must('ip', [...prefix, 'link', 'set', device, 'txqueuelen', '10000', 'up']);
    const shaped = ['qdisc', 'add', 'dev', device, 'root', 'tbf', 'rate', `${RATE_MBIT}mbit`];
    await must('tc', [...prefix, ...shaped, 'burst', `${BURST_BYTES}`, 'latency', '100ms']);
  }
  return {
    stoodStill: () =>
      [...link.log().matchAll(/^late (.*)$/gm)].reduce(
        (sum, [, late]) => sum + Number(late) - SLACK_MS / 1000,
        0,
      ),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}
