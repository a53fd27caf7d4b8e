import type { Registry } from '../../interop/support/registries.ts';

/** A registry that is killed, and comes back where it was with what it had. */
export interface Restartable<Running extends Registry> extends AsyncDisposable {
  readonly url: string;
  /** The process that runs now. */
  readonly now: Running;
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** `start` is given the port that the first one took. */
export async function restartable<Running extends Registry>(
  start: (port: number | undefined) => Promise<Running>,
): Promise<Restartable<Running>> {
  let running = await start(undefined);
  const { url } = running;
  return {
    url,
    get now() {
      return running;
    },
    async kill() {
      await running.stop('SIGKILL');
    },
    async start() {
      running = await start(Number(new URL(url).port));
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
