/** How far an execution is: a bar where somebody watches, a line now and then where a program does. */
import cliProgress from 'cli-progress';
import { sizeText } from './table.ts';

/** Tasks, and bytes that went. Tasks become more while it looks for what there is to do. */
export interface Progress {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly bytes: number;
}

export interface ProgressDisplay extends Disposable {
  show(progress: Progress): void;
}

/** Where progress is shown: standard error, which leaves results alone on standard output. */
export interface Screen extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

const LINE_EVERY_MS = 5_000;

/** @param now milliseconds that only go forward */
export function progressOn(screen: Screen, now: () => number): ProgressDisplay {
  return screen.isTTY === true ? barOn(screen) : linesOn(screen, now);
}

function barOn(screen: Screen): ProgressDisplay {
  const bar = new cliProgress.SingleBar({
    stream: screen,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: false,
    format: (options, { progress }, payload: Partial<Progress>) =>
      `${cliProgress.Format.BarFormat(progress, options)} ${wordsOf({ ...NOTHING, ...payload })}`,
  });
  bar.start(1, 0, NOTHING);
  return {
    show(progress) {
      bar.setTotal(Math.max(1, progress.total));
      bar.update(progress.done, progress);
    },
    [Symbol.dispose]: () => bar.stop(),
  };
}

const NOTHING: Progress = { total: 0, done: 0, failed: 0, bytes: 0 };

function linesOn(screen: Screen, now: () => number): ProgressDisplay {
  let last = now();
  let said = '';
  return {
    show(progress) {
      const words = wordsOf(progress);
      if (now() - last < LINE_EVERY_MS || words === said) return;
      last = now();
      said = words;
      screen.write(`${words}\n`);
    },
    [Symbol.dispose]() {},
  };
}

function wordsOf({ total, done, failed, bytes }: Progress): string {
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  return `${done} of ${total} tasks${failures}, ${sizeText(bytes)}`;
}
