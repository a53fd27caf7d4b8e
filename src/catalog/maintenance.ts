import { maintenanceFailed } from '../telemetry/channels.ts';
import type { Blobs } from './blobs.ts';
import type { Uploads } from './uploads.ts';

export interface MaintenanceOptions {
  readonly blobs: Pick<Blobs, 'collect' | 'releaseUnreferenced'>;
  readonly uploads: Pick<Uploads, 'expire'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long an unfinished upload, or a pushed blob without a manifest, waits for its client to go on. */
  readonly expiryMs: number;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 60_000;

/** Drops abandoned uploads and takes condemned bytes away, now and then. Disposing waits for what is under way. */
export function startMaintenance(options: MaintenanceOptions): AsyncDisposable {
  let running: Promise<void> = Promise.resolve();
  let isStopped = false;
  const timer = setInterval(() => {
    running = running.then(() => (isStopped ? undefined : maintain(options)));
  }, options.intervalMs ?? INTERVAL_MS);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true;
      clearInterval(timer);
      await running;
    },
  };
}

async function maintain({ blobs, uploads, now, expiryMs }: MaintenanceOptions): Promise<void> {
  const before = now() - expiryMs;
  await attempted('upload expiry', () => uploads.expire(before));
  await attempted('release of abandoned blobs', () => blobs.releaseUnreferenced(before));
  await attempted('collection', () => blobs.collect());
}

/** What fails is told, and tried again next time. */
async function attempted(work: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work, error });
  }
}
