/**
 * Every fact this node tells about itself. Domain code publishes here and neither logs nor counts; `log-facts.ts` and
 * `metric-facts.ts` listen. Fields are the domain's words; times are milliseconds, sizes bytes. Nothing secret goes in:
 * no `Authorization`, no token, no URL with its query.
 */
import { factChannel } from './channel.ts';

/** What a request was for: the label of latency metrics, so it is one of few. */
export type RouteKind =
  | 'base'
  | 'manifest'
  | 'blob'
  | 'upload'
  | 'tags'
  | 'referrers'
  | 'catalog'
  | 'token'
  | 'operations'
  | 'api'
  | 'other';

export interface RequestFinished {
  readonly id: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly route: RouteKind;
  readonly status: number;
  /** The code the client was told, of a refused request. */
  readonly code?: string | undefined;
  /** Of the body, as far as it was sent. */
  readonly sentBytes: number;
  readonly durationMs: number;
  /** The user's name; undefined for nobody. */
  readonly caller?: string | undefined;
  readonly clientAddress: string;
  readonly userAgent?: string | undefined;
  /** The client went away before the answer was whole. */
  readonly aborted?: boolean | undefined;
}
/** Once for each request, when its answer is out or its client gone. */
export const requestFinished = factChannel<RequestFinished>('portolan.request.finished');

/** What the client was told is only a code: this is the whole of it, for errors of ours. */
export const requestFailed = factChannel<{
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly error: unknown;
}>('portolan.request.failed');

export const authenticationFailed = factChannel<{
  /** As the client claimed; undefined where the header could not be read. */
  readonly user?: string | undefined;
  readonly clientAddress?: string | undefined;
}>('portolan.authentication.failed');

interface FillFact {
  readonly digest: string;
  readonly repository: string;
}
export const fillStarted = factChannel<FillFact & { readonly size: number }>(
  'portolan.fill.started',
);
/** A fill goes on that a stopped node left, or that was parked. */
export const fillResumed = factChannel<
  FillFact & { readonly size: number; readonly receivedBytes: number }
>('portolan.fill.resumed');
/** Somebody asks for a digest that is on its way already. */
export const fillJoined = factChannel<FillFact>('portolan.fill.joined');
/** Upstream broke off; the same fill goes on from here. */
export const fillInterrupted = factChannel<
  FillFact & { readonly receivedBytes: number; readonly error: unknown }
>('portolan.fill.interrupted');
export const fillFinished = factChannel<
  FillFact & { readonly size: number; readonly durationMs: number }
>('portolan.fill.finished');
/** Nothing of it was kept. */
export const fillAborted = factChannel<
  FillFact & {
    readonly receivedBytes: number;
    readonly durationMs: number;
    readonly error: unknown;
  }
>('portolan.fill.aborted');
/** Upstream stayed away: what arrived is kept, and the next who asks goes on from there. */
export const fillParked = factChannel<
  FillFact & {
    readonly receivedBytes: number;
    readonly durationMs: number;
    readonly error: unknown;
  }
>('portolan.fill.parked');
/** Nobody came back for what a parked fill had, or upstream turned out to have something else: it is gone. */
export const fillForgotten = factChannel<FillFact & { readonly receivedBytes: number }>(
  'portolan.fill.forgotten',
);
/** The bytes went to the client and could not be kept. */
export const blobPassedThrough = factChannel<
  FillFact & {
    readonly size: number | undefined;
    readonly reason: 'storage-full' | 'too-large' | 'unknown-size';
  }
>('portolan.blob.passed-through');

export type CacheOutcome = 'hit' | 'miss' | 'stale' | 'revalidated' | 'negative';
export const cacheDecided = factChannel<{
  readonly project: string;
  /** The host that the project is for, as people call it. */
  readonly upstream: string;
  readonly kind: 'manifest' | 'blob';
  readonly outcome: CacheOutcome;
}>('portolan.cache.decided');

export const upstreamAnswered = factChannel<{
  readonly endpoint: string;
  readonly host: string;
  readonly method: string;
  readonly status: number;
  /** To the first byte of the answer. */
  readonly durationMs: number;
}>('portolan.upstream.answered');
export const upstreamFailed = factChannel<{
  readonly endpoint: string;
  readonly host: string;
  readonly reason: string;
  readonly durationMs: number;
  readonly error?: unknown;
}>('portolan.upstream.failed');
/** Body bytes as they arrive: once per piece or per answer, the sum is what counts. */
export const upstreamBytes = factChannel<{ readonly endpoint: string; readonly bytes: number }>(
  'portolan.upstream.bytes',
);
/** The same of what is pushed there. */
export const upstreamSent = factChannel<{ readonly endpoint: string; readonly bytes: number }>(
  'portolan.upstream.sent',
);
/** What `ratelimit-*` said. */
export const budgetSeen = factChannel<{
  readonly endpoint: string;
  readonly remaining: number;
  readonly limit: number | undefined;
}>('portolan.upstream.budget');
export const circuitChanged = factChannel<{
  readonly host: string;
  readonly state: 'closed' | 'open' | 'half-open';
}>('portolan.upstream.circuit');

export const manifestPushed = factChannel<{
  readonly repository: string;
  readonly digest: string;
  readonly tags: readonly string[];
  readonly caller: string;
}>('portolan.manifest.pushed');
export const manifestDeleted = factChannel<{
  readonly repository: string;
  readonly digest: string;
  readonly caller: string;
}>('portolan.manifest.deleted');
export const tagDeleted = factChannel<{
  readonly repository: string;
  readonly tag: string;
  readonly caller: string;
}>('portolan.tag.deleted');

export const uploadStarted = factChannel<{ readonly repository: string; readonly upload: string }>(
  'portolan.upload.started',
);
export const uploadEnded = factChannel<{
  readonly repository: string;
  readonly upload: string;
  readonly outcome: 'finished' | 'cancelled' | 'expired' | 'failed';
  readonly receivedBytes: number;
}>('portolan.upload.ended');

/** A cached blob lost its place to newer ones. */
export const evicted = factChannel<{ readonly digest: string; readonly bytes: number }>(
  'portolan.blob.evicted',
);
/** Nobody asked for a cached manifest any more: it went with its tags. */
export const manifestEvicted = factChannel<{
  readonly repository: string;
  readonly digest: string;
}>('portolan.manifest.evicted');
/** Condemned bytes left the disk. */
export const collected = factChannel<{ readonly blobs: number; readonly bytes: number }>(
  'portolan.blobs.collected',
);

/** Files that no row knew were found in storage: a few after a crash, many where the metadata is not that of the blobs. */
export const straysCondemned = factChannel<{ readonly blobs: number }>(
  'portolan.blobs.strays-condemned',
);

/** A project of the configuration file met one of the same name and kind, and now rules it. */
export const projectAdopted = factChannel<{ readonly project: string }>('portolan.project.adopted');

/** A worker is done with a task, for now or for good. */
export const taskFinished = factChannel<{
  readonly task: number;
  readonly execution: number;
  readonly queue: string;
  readonly kind: string;
  readonly hosts: readonly string[];
  readonly resource: string;
  /** `again`: it goes on later by its own wish; `delayed` and `throttled`: it failed and is tried again; `released`: the node stops. */
  readonly outcome:
    | 'succeeded'
    | 'again'
    | 'delayed'
    | 'throttled'
    | 'failed'
    | 'stopped'
    | 'released'
    | 'lost';
  readonly attempt: number;
  /** Moved in this attempt. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly reason?: string | undefined;
}>('portolan.task.finished');
/** All its tasks are over. */
export const executionFinished = factChannel<{
  readonly execution: number;
  readonly kind: string;
  readonly queue: string;
  readonly trigger: string;
  readonly status: string;
  readonly tasks: number;
  readonly failed: number;
  readonly bytes: number;
  readonly durationMs: number;
}>('portolan.execution.finished');
/** Tasks leave a host alone, because it asked for that or fails again and again; or no longer do. */
export const jobHostChanged = factChannel<{
  readonly host: string;
  readonly state: 'blocked' | 'failing' | 'working';
  /** Milliseconds UTC. */
  readonly until?: number | undefined;
  readonly reason?: string | undefined;
}>('portolan.job-host.changed');

/** Work on a timer (collection, eviction, checkpoint, batches) failed and is tried again next time. */
export const maintenanceFailed = factChannel<{ readonly work: string; readonly error: unknown }>(
  'portolan.maintenance.failed',
);
