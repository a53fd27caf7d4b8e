import type { Queries } from '../database/database.ts';
import { isQueuePaused, pauseHost, pauseQueue, resumeHost, resumeQueue } from './pausing.ts';
import type { Settle } from './settling.ts';
import { EVERYTHING, type QueueShare, shareQueue } from './shares.ts';

/** What operators do to queues. */
export interface QueueControls {
  /** Nothing of it begins; what runs goes on to its end. */
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
  /** Nothing that loads it begins; what runs goes on to its end. */
  pause(host: string): Promise<void>;
  /** Forgets its failures, too. */
  resume(host: string): Promise<void>;
}

export function queueControls(settle: Settle, queries: Queries): QueueControls {
  return {
    pause: (queue) => settle((settling) => pauseQueue(settling, queue)),
    resume: (queue) => settle((settling) => resumeQueue(settling, queue)),
    share: (queue, share) => settle((settling) => shareQueue(settling, queue, share)),
    pauseAll: () => settle((settling) => pauseQueue(settling, EVERYTHING)),
    resumeAll: () => settle((settling) => resumeQueue(settling, EVERYTHING)),
    isPaused: (queue) => isQueuePaused(queries, queue),
    isAllPaused: () => isQueuePaused(queries, EVERYTHING),
  };
}

export function hostControls(settle: Settle): HostControls {
  return {
    pause: (host) => settle((settling) => pauseHost(settling, host)),
    resume: (host) => settle((settling) => resumeHost(settling, host)),
  };
}
