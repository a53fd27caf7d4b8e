import { mkdir } from 'node:fs/promises';
import { clientEnvironment, must, type Ran, run } from './processes.ts';
import type { World } from './world.ts';

/** A command-line client with a home of its own in the world. */
export interface Tool {
  /** Runs it in its folder; its output. Rejects when it fails. */
  (...args: string[]): Promise<string>;
  /** Runs it to its end, whatever its exit code. */
  attempt(...args: string[]): Promise<Ran>;
  /** As the call itself, with `input` on standard input. */
  given(input: string, ...args: string[]): Promise<string>;
  /** A path in its folder. */
  at(name: string): string;
}

export async function toolIn(
  world: World,
  command: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Tool> {
  const folder = world.at(`${command}-home`);
  await mkdir(folder, { recursive: true });
  const options = { cwd: folder, env: clientEnvironment(folder, { ...more }) };
  return Object.assign((...args: string[]) => must(command, args, options), {
    attempt: (...args: string[]) => run(command, args, options),
    given: (input: string, ...args: string[]) => must(command, args, { ...options, input }),
    at: (name: string) => `${folder}/${name}`,
  });
}
