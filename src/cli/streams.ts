import type { Screen } from './progress.ts';

/** What a command says, and how it hears that it is to end. */
export interface Streams {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: Screen;
  /** Aborted where somebody wants the command to end. */
  readonly signal: AbortSignal;
}
