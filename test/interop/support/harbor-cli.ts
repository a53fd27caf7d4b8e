import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clientEnvironment, must } from './processes.ts';
import type { World } from './world.ts';

/** How long forms have to end, and how often a key is pressed again until they do. */
const FORM_MS = 20_000;
const AGAIN_MS = 300;

/** Harbor's command line with a home of its own in the world. Commands are words between spaces. */
export interface HarborCli {
  /** What it prints. Rejects when it fails. */
  (command: string): Promise<string>;
  /** As the call itself, on a terminal: what has forms and tables wants one. Presses the keys until it ends. */
  press(keys: string, command: string): Promise<string>;
  /** A path in its folder. */
  at(name: string): string;
}

export async function harborCliIn(
  world: World,
  program: string,
  name = 'harbor',
): Promise<HarborCli> {
  const folder = world.at(`${name.replace('$', '-')}-home`);
  await mkdir(folder, { recursive: true });
  // Of `screen` it asks no colors.
  const options = { cwd: folder, env: clientEnvironment(folder, { TERM: 'screen' }) };
  return Object.assign((command: string) => must(program, command.split(' '), options), {
    press: (keys: string, command: string) => pressing(keys, [program, command], options),
    at: (file: string) => join(folder, file),
  });
}

async function pressing(
  keys: string,
  [program, command]: readonly [program: string, command: string],
  options: { readonly cwd: string; readonly env: Record<string, string> },
): Promise<string> {
  const words = [program, ...command.split(' ')].map((word) => `'${word}'`);
  const terminal = spawn('script', ['-qec', words.join(' '), '/dev/null'], options);
  const ended = new Promise<number | null>((resolve) => {
    terminal.once('close', resolve);
  });
  let seen = '';
  terminal.stdout.on('data', (bytes: Buffer) => {
    seen += bytes.toString();
  });
  // It may end before the last key.
  terminal.stdin.on('error', () => {});
  const again = setInterval(() => terminal.stdin.write(keys), AGAIN_MS);
  const tooLong = setTimeout(() => terminal.kill('SIGKILL'), FORM_MS);
  const code = await ended;
  clearInterval(again);
  clearTimeout(tooLong);
  if (code !== 0) throw new Error(`${command} ended with ${code}\n${seen}`);
  return seen;
}
