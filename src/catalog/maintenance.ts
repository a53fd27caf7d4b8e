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
}

const INTERVAL_MS = 60_000;
/** It looks at everything that was ever pushed. */
const RELEASE_INTERVAL_MS = 60 * 60_000;

/** Drops abandoned uploads and takes condemned bytes away, now and then. Disposing waits for what is under way. */
export function startMaintenance(options: MaintenanceOptions): AsyncDisposable {
  const { blobs, uploads, now, expiryMs } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const timers = new AsyncDisposableStack();
  timers.use(
    every(INTERVAL_MS, async () => {
      await attempted('upload expiry', () => uploads.expire(now() - expiryMs));
      await attempted('collection', () => blobs.collect());
    }),
  );
  timers.use(
    every(RELEASE_INTERVAL_MS, () =>
      attempted('release of abandoned blobs', () =>
        blobs.releaseUnreferenced(now() - expiryMs, { signal }),
      ),
    ),
  );
  timers.defer(() => stop.abort());
  return timers;
}

/** Leaves a turn out while the one before it still works. */
function every(intervalMs: number, work: () => Promise<void>): AsyncDisposable {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= work().finally(() => {
      running = undefined;
    });
  }, intervalMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}

/** What fails is told, and tried again next time. */
async function attempted(work: string, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (maintenanceFailed.hasSubscribers) maintenanceFailed.publish({ work, error });
  }
}
