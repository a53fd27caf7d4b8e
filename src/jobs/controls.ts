import type { Queries } from '../database/database.ts';
import { pauseHost, pauseQueue, resumeHost, resumeQueue } from './pausing.ts';
import type { Settle } from './settling.ts';
import { EVERYTHING, isQueuePaused, type QueueShare, shareQueue } from './shares.ts';

/** What operators do to queues. */
export interface QueueControls {
  /** Nothing of it begins. What runs ends within one chunk, to go on from there when it may; that attempt does not count. */
  pause(queue: string): Promise<void>;
  resume(queue: string): Promise<void>;
  /** How much of the bytes is its, beside others, and how many of its tasks are done at once. */
  share(queue: string, share: QueueShare): Promise<void>;
  pauseAll(): Promise<void>;
  resumeAll(): Promise<void>;
  isPaused(queue: string): Promise<boolean>;
  /** Whether everything is, and not whether all of them are. */
  isAllPaused(): Promise<boolean>;
}

/** What they do to hosts. */
export interface HostControls {
  /** Nothing that loads it begins, and what runs ends, as for a queue. */
  pause(host: string): Promise<void>;
  /** Forgets its failures, too. */
  resume(host: string): Promise<void>;
}

/** Tells what runs here and is paused by now to end. */
type Release = () => Promise<void>;

export function queueControls(settle: Settle, queries: Queries, release: Release): QueueControls {
  const pause = async (queue: string): Promise<void> => {
    await settle((settling) => pauseQueue(settling, queue));
    await release();
  };
  return {
    pause,
    resume: (queue) => settle((settling) => resumeQueue(settling, queue)),
    share: (queue, share) => settle((settling) => shareQueue(settling, queue, share)),
    pauseAll: () => pause(EVERYTHING),
    resumeAll: () => settle((settling) => resumeQueue(settling, EVERYTHING)),
    isPaused: (queue) => isQueuePaused(queries, queue),
    isAllPaused: () => isQueuePaused(queries, EVERYTHING),
  };
}

export function hostControls(settle: Settle, release: Release): HostControls {
  return {
    async pause(host) {
      await settle((settling) => pauseHost(settling, host));
      await release();
    },
    resume: (host) => settle((settling) => resumeHost(settling, host)),
  };
}
