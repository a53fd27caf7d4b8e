import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Deadline } from '../../support/deadline.ts';

/** Where `.ci/install` puts the Go programs. */
export const TOOLS = process.env['PORTOLAN_TOOLS'] ?? join(homedir(), '.cache/portolan-tools');

/** The environment for clients: the installed tools first, nothing of the caller's own configuration. */
export const clientEnvironment = (home: string, more: Record<string, string> = {}) => ({
  PATH: `${TOOLS}:/usr/bin:/usr/sbin:/bin:/sbin`,
  HOME: home,
  TMPDIR: home,
  LANG: 'C.UTF-8',
  OTEL_TRACES_EXPORTER: 'none',
  ...more,
});

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly input?: string;
  readonly timeoutMs?: number;
}

/** Who waits so long has hung: no promise is measured by it. Machines were seen to take over half a minute to start a node (2026-11-22). */
export const PATIENCE_MS = 120_000;
/** Longer than the node itself lets its requests go on. */
const STOP_MS = 60_000;

/** Runs a program to its end, whatever its exit code. */
export function run(
  command: string,
  args: readonly string[],
  { env, cwd, input, timeoutMs = 120_000 }: RunOptions = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      [...args],
      { env, cwd, timeout: timeoutMs, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') {
          reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stderr}`));
          return;
        }
        resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
      },
    );
    // A program may end without having read its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
  });
}

/** Runs a program that must succeed; its output without the last line break. */
export async function must(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, options);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`);
  }
  return stdout.trimEnd();
}

export interface Daemon extends AsyncDisposable {
  readonly pid: number;
  /** All it has written to standard output and error. */
  log(): string;
  /** Ends it, by default as an operator would; resolves to its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface DaemonOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly logFile: string;
  readonly isReady: () => Promise<boolean>;
  readonly deadlineMs?: number;
}

/** Starts a program that goes on running, in a process group of its own, and waits until it is ready. */
export async function startDaemon(
  command: string,
  args: readonly string[],
  { env, cwd, logFile, isReady, deadlineMs = PATIENCE_MS }: DaemonOptions,
): Promise<Daemon> {
  const output = openSync(logFile, 'a');
  const child = spawn(command, [...args], {
    env,
    cwd,
    detached: true,
    stdio: ['ignore', output, output],
  });
  await once(child, 'spawn').finally(() => closeSync(output));
  const log = (): string => readFileSync(logFile, 'utf8');
  const daemon: Daemon = {
    pid: child.pid ?? 0,
    log,
    stop: (signal = 'SIGTERM') => stopProcess(child, signal),
    async [Symbol.asyncDispose]() {
      await stopProcess(child, 'SIGTERM');
    },
  };
  const isOver = await until(async () => hasEnded(child) || (await isReady()), deadlineMs);
  if (!isOver || hasEnded(child)) {
    const why = isOver ? endOf(child) : `was not ready in ${deadlineMs} ms: ${stateOf(child)}`;
    await stopProcess(child, 'SIGKILL');
    throw new Error(`${command} ${args.join(' ')} ${why}\n${log()}`);
  }
  return daemon;
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function endOf({ exitCode, signalCode }: ChildProcess): string {
  return `ended with ${exitCode ?? signalCode} before it was ready`;
}

/** As the kernel has it: `R` runs or would, `S` sleeps, `D` waits for a disk; the processor time it had is in it, too. */
function stateOf({ pid }: ChildProcess): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').trim();
  } catch (error) {
    // It ended just now, or the system has no such files.
    return String(error);
  }
}

async function stopProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (hasEnded(child)) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  if (!(await until(() => hasEnded(child), STOP_MS))) child.kill('SIGKILL');
  await ended;
  return child.exitCode;
}

/** Polls until the condition holds; false once the deadline has passed. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  deadlineMs = PATIENCE_MS,
): Promise<boolean> {
  using deadline = new Deadline(deadlineMs);
  while (!deadline.isOver()) {
    if (await condition()) return true;
    await wait(25);
  }
  return false;
}

/** A port of the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}
