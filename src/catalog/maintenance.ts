import { maintenanceFailed } from '../telemetry/channels.ts';
import type { Blobs } from './blobs.ts';
import type { Uploads } from './uploads.ts';

export interface MaintenanceOptions {
  readonly blobs: Pick<Blobs, 'collect' | 'releaseUnreferenced' | 'sweep'>;
  readonly uploads: Pick<Uploads, 'expire'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long an unfinished upload, or a pushed blob without a manifest, waits for its client to go on. */
  readonly expiryMs: number;
}

const INTERVAL_MS = 60_000;
/** It looks at everything that was ever pushed. */
const RELEASE_INTERVAL_MS = 60 * 60_000;
/** It reads every name in the store. */
const SWEEP_INTERVAL_MS = 24 * 60 * 60_000;
/** What it looks for is left by the end of the process before, but a start has better things to do. */
const FIRST_SWEEP_MS = 10 * 60_000;

/** Drops abandoned uploads, takes condemned bytes away and looks for those that nobody knows, now and then. Disposing waits for what is under way. */
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
  timers.use(
    every(SWEEP_INTERVAL_MS, () => attempted('sweep', () => blobs.sweep({ signal })), {
      firstMs: FIRST_SWEEP_MS,
    }),
  );
  timers.defer(() => stop.abort());
  return timers;
}

/** Leaves a turn out while the one before it still works. */
function every(
  intervalMs: number,
  work: () => Promise<void>,
  { firstMs = intervalMs }: { readonly firstMs?: number } = {},
): AsyncDisposable {
  let running: Promise<void> | undefined;
  const begin = (): void => {
    timer = setTimeout(begin, intervalMs).unref();
    running ??= work().finally(() => {
      running = undefined;
    });
  };
  let timer = setTimeout(begin, firstMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
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
