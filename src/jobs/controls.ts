import type { Queries } from '../database/database.ts';
import { pauseHost, pauseQueue, resumeHost, resumeQueue } from './pausing.ts';
import type { Along, Settle, Settling } from './settling.ts';
import { EVERYTHING, isQueuePaused } from './shares.ts';

/** What operators do to queues. */
export interface QueueControls {
  /** Nothing of it begins. What runs ends within one chunk, to go on from there when it may; that attempt does not count. */
  pause(queue: string, along?: Along): Promise<void>;
  resume(queue: string, along?: Along): Promise<void>;
  pauseAll(along?: Along): Promise<void>;
  resumeAll(along?: Along): Promise<void>;
  isPaused(queue: string): Promise<boolean>;
  /** Whether everything is, and not whether all of them are. */
  isAllPaused(): Promise<boolean>;
}

/** What they do to hosts. */
export interface HostControls {
  /** Nothing that loads it begins, and what runs ends, as for a queue. */
  pause(host: string, along?: Along): Promise<void>;
  /** Forgets its failures, too. */
  resume(host: string, along?: Along): Promise<void>;
}

/** Tells what runs here and is paused by now to end. */
type Release = () => Promise<void>;

export function queueControls(settle: Settle, queries: Queries, release: Release): QueueControls {
  const pause = async (queue: string, along?: Along): Promise<void> => {
    await settle(together((settling) => pauseQueue(settling, queue), along));
    await release();
  };
  const resume = (queue: string, along?: Along): Promise<void> =>
    settle(together((settling) => resumeQueue(settling, queue), along));
  return {
    pause,
    resume,
    pauseAll: (along) => pause(EVERYTHING, along),
    resumeAll: (along) => resume(EVERYTHING, along),
    isPaused: (queue) => isQueuePaused(queries, queue),
    isAllPaused: () => isQueuePaused(queries, EVERYTHING),
  };
}

export function hostControls(settle: Settle, release: Release): HostControls {
  return {
    async pause(host, along) {
      await settle(together((settling) => pauseHost(settling, host), along));
      await release();
    },
    resume: (host, along) => settle(together((settling) => resumeHost(settling, host), along)),
  };
}

function together(work: (settling: Settling) => Promise<void>, along: Along | undefined) {
  return async (settling: Settling): Promise<void> => {
    await work(settling);
    await along?.(settling.transaction);
  };
}
