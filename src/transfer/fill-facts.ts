import {
  fillAborted,
  fillFinished,
  fillForgotten,
  fillInterrupted,
  fillJoined,
  fillParked,
  fillResumed,
  fillStarted,
} from '../telemetry/channels.ts';
import type { GrowingFile } from './growing-file.ts';

/**
 * Tells of one fill. Every run that upstream answered has a beginning (started, resumed) and one end (finished, aborted,
 * parked, or the end of the process), so that listeners can count those that run.
 */
export class FillFacts {
  readonly #fill: { readonly digest: string; readonly size: number; readonly repository: string };
  readonly #file: GrowingFile;
  readonly #now: () => number;
  #beganAt: number | undefined;

  constructor(
    fill: { readonly digest: string; readonly size: number; readonly repository: string },
    file: GrowingFile,
    now: () => number,
  ) {
    this.#fill = fill;
    this.#file = file;
    this.#now = now;
  }

  began(): void {
    this.#beganAt = this.#now();
    const { size } = this.#fill;
    const receivedBytes = this.#file.presentBytes;
    if (receivedBytes > 0) fillResumed.publish({ ...this.#named, size, receivedBytes });
    else fillStarted.publish({ ...this.#named, size });
  }

  joined(repository: string): void {
    fillJoined.publish({ ...this.#named, repository });
  }

  interrupted(error: unknown): void {
    fillInterrupted.publish({ ...this.#named, receivedBytes: this.#file.presentBytes, error });
  }

  finished(): void {
    fillFinished.publish({ ...this.#named, size: this.#fill.size, durationMs: this.#end() ?? 0 });
  }

  parked(error: unknown): void {
    const durationMs = this.#end();
    if (durationMs === undefined) return;
    fillParked.publish({
      ...this.#named,
      receivedBytes: this.#file.presentBytes,
      durationMs,
      error,
    });
  }

  discarded(error: unknown): void {
    const durationMs = this.#end();
    const fact = { ...this.#named, receivedBytes: this.#file.presentBytes };
    if (durationMs !== undefined) fillAborted.publish({ ...fact, durationMs, error });
    else if (fact.receivedBytes > 0) fillForgotten.publish(fact);
  }

  get #named() {
    return { digest: this.#fill.digest, repository: this.#fill.repository };
  }

  #end(): number | undefined {
    const beganAt = this.#beganAt;
    this.#beganAt = undefined;
    return beganAt === undefined ? undefined : this.#now() - beganAt;
  }
}
