import { type EvictionRule, idleBefore } from '../../policies/eviction.ts';
import type { Audit } from '../audit/audit.ts';
import { maintenanceFailed } from '../telemetry/channels.ts';
import type { Arrivals } from './arrivals.ts';
import type { Blobs } from './blobs.ts';
import type { CachedManifests } from './cached-manifests.ts';
import type { Repositories } from './repositories.ts';
import type { Uploads } from './uploads.ts';

export interface MaintenanceOptions {
  readonly blobs: Pick<Blobs, 'collect' | 'releaseUnreferenced' | 'sweep'>;
  readonly cachedManifests: CachedManifests;
  readonly uploads: Pick<Uploads, 'expire'>;
  readonly arrivals: Arrivals;
  readonly repositories: Pick<Repositories, 'dropEmpty'>;
  /** Milliseconds UTC. */
  readonly now: () => number;
  /** How long an unfinished upload, or a pushed blob without a manifest, waits for its client to go on. */
  readonly expiryMs: number;
  readonly eviction: EvictionRule;
  readonly audit: Pick<Audit, 'purge'>;
  /** How long the audit log keeps what happened; Infinity for ever. */
  readonly auditedMs: number;
}

const INTERVAL_MS = 60_000;
/** It looks at every blob that is here. */
const RELEASE_INTERVAL_MS = 60 * 60_000;
/** It reads every name in the store. */
const SWEEP_INTERVAL_MS = 24 * 60 * 60_000;
/** What it looks for is left by the end of the process before, but a start has better things to do. */
const FIRST_SWEEP_MS = 10 * 60_000;
/** What reads the outbox is seconds behind; who was away for longer looks at what is here instead. */
const ARRIVALS_KEPT_MS = 7 * 24 * 60 * 60_000;

/**
 * Drops abandoned uploads and old rows of the audit log, lets go of what nobody wants, takes condemned bytes away and looks for those that nobody knows,
 * now and then. Disposing waits for what is under way.
 */
export function startMaintenance(options: MaintenanceOptions): AsyncDisposable {
  const { blobs, uploads, arrivals, repositories, now, expiryMs } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const timers = new AsyncDisposableStack();
  timers.use(
    every(INTERVAL_MS, async () => {
      await attempted('upload expiry', () => uploads.expire(now() - expiryMs));
      await attempted('arrivals expiry', () => arrivals.expire(now() - ARRIVALS_KEPT_MS));
      await attempted('collection', () => blobs.collect());
    }),
  );
  timers.use(
    every(RELEASE_INTERVAL_MS, async () => {
      await attempted('release of abandoned blobs', () =>
        blobs.releaseUnreferenced(now() - expiryMs, { signal }),
      );
      await attempted('eviction of idle content', () => evictIdle(options, signal));
      await attempted('removal of empty repositories', () =>
        repositories.dropEmpty(now() - expiryMs, { signal }),
      );
      await attempted('purge of the audit log', () => purgeAudit(options, signal));
    }),
  );
  timers.use(
    every(SWEEP_INTERVAL_MS, () => attempted('sweep', () => blobs.sweep({ signal })), {
      firstMs: FIRST_SWEEP_MS,
    }),
  );
  timers.defer(() => stop.abort());
  return timers;
}

async function purgeAudit(
  { audit, auditedMs, now }: MaintenanceOptions,
  signal: AbortSignal,
): Promise<void> {
  if (Number.isFinite(auditedMs)) await audit.purge(now() - auditedMs, { signal });
}

/** Blobs after the manifests that keep them. */
async function evictIdle(
  { blobs, cachedManifests, eviction, now }: MaintenanceOptions,
  signal: AbortSignal,
): Promise<void> {
  const before = idleBefore(eviction, now());
  if (!Number.isFinite(before)) return;
  await cachedManifests.evictIdle(before, { signal });
  await blobs.releaseUnreferenced(before, { content: 'cached', signal });
}

/** Leaves a turn out while the one before it still works. `firstMs`: once more, that soon. */
function every(
  intervalMs: number,
  work: () => Promise<void>,
  { firstMs }: { readonly firstMs?: number } = {},
): AsyncDisposable {
  let running: Promise<void> | undefined;
  const begin = (): void => {
    running ??= work().finally(() => {
      running = undefined;
    });
  };
  const interval = setInterval(begin, intervalMs).unref();
  const first = firstMs === undefined ? undefined : setTimeout(begin, firstMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(interval);
      clearTimeout(first);
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
