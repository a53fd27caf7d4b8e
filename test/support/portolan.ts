import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const LAUNCHER = join(import.meta.dirname, '../../bin/portolan.js');

export interface CommandOptions {
  /** Nothing of the test's own environment unless it is said here. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts `portolan` with its standard output in a file, and its standard error in one or nowhere, and leaves it running. */
export function launchInto(file: number, args: readonly string[], stderr?: number) {
  return spawn(process.execPath, [LAUNCHER, ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', file, stderr ?? 'ignore'],
  });
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of `portolan` to its end, in a process of its own. */
export async function portolan(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ran> {
  const child = launch(args, options);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, stdout, stderr };
}

/** Starts `portolan` and leaves it running. */
export function launch(args: readonly string[], { env = {}, cwd }: CommandOptions = {}) {
  return spawn(process.execPath, [LAUNCHER, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Ends a process that may have ended already. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
