import type { Readable } from 'node:stream';
import { OciError } from '../oci/error.ts';

/** A request that wants to work on a session. */
export interface Applicant {
  /** What it sends, if it sends anything. */
  readonly source: Readable | undefined;
  readonly signal: AbortSignal;
}

interface Running extends Applicant {
  readonly stop: AbortController;
  readonly over: Promise<void>;
}

/** Lets one request at a time write to a session. */
export class UploadTurns {
  readonly #running = new Map<string, Running>();

  /**
   * Works on the session while nobody else does. Waits for a request whose client is gone already, since that client may
   * be the one that comes back. The signal that `work` gets is the request's own, or that somebody ends the session.
   *
   * @throws OciError BLOB_UPLOAD_INVALID while another request is sending
   */
  async during<T>(
    id: string,
    applicant: Applicant,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await this.settled(id);
    if (this.isTaken(id)) {
      const message = 'another request is sending to this upload';
      throw new OciError('BLOB_UPLOAD_INVALID', { message });
    }
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.#running.set(id, { ...applicant, stop, over });
    try {
      return await work(AbortSignal.any([applicant.signal, stop.signal]));
    } finally {
      this.#running.delete(id);
      resolve();
    }
  }

  isTaken(id: string): boolean {
    return this.#running.has(id);
  }

  /** Resolves once nobody whose client is gone is still writing down what had come. */
  async settled(id: string): Promise<void> {
    for (let other = this.#running.get(id); other !== undefined; other = this.#running.get(id)) {
      if (!isEnding(other)) return;
      await other.over;
    }
  }

  /** Makes the request that is sending fail with the reason, and resolves once it is over. */
  async stop(id: string, reason: unknown): Promise<void> {
    const running = this.#running.get(id);
    running?.stop.abort(reason);
    await running?.over;
  }
}

function isEnding({ source, signal, stop }: Running): boolean {
  if (signal.aborted || stop.signal.aborted) return true;
  return source !== undefined && source.destroyed && !source.readableEnded;
}
